-- Health of a ChainEnvironment in Argo CD. Only the base and table libraries are open to it.
local health = {status = "Progressing", message = "not observed by the operator yet"}
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end

local found = {}
for _, condition in ipairs(status.conditions) do
  found[condition.type] = condition
end
local ready, synced, stalled, reconciling = found.Ready, found.Synced, found.Stalled, found.Reconciling

-- A request to Baseten that failed says nothing about the environment.
local passing = {Unavailable = true, RateLimited = true, Conflict = true, InternalError = true}

-- A rollout that waits for a person or for the clock.
local waiting = {WaitingForApproval = true, WaitingForWindow = true}

local function is(condition, reason)
  return condition ~= nil and condition.reason == reason
end

local function holds(condition)
  return condition ~= nil and condition.status == "True"
end

local function described(condition)
  if condition == nil then
    return ""
  end
  return condition.reason .. ": " .. (condition.message or "")
end

local function with(message, condition)
  if condition == nil then
    return message
  end
  return message .. ". " .. described(condition)
end

local under_way = holds(reconciling) and not passing[reconciling.reason]

if status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  health.message = "the operator has not acted on this spec yet"
  if holds(reconciling) then
    health.message = with(health.message, reconciling)
  elseif not holds(synced) then
    health.message = with(health.message, synced)
  end
elseif is(synced, "Paused") then
  health.status = "Suspended"
  health.message = described(synced)
elseif holds(stalled) then
  health.status = "Degraded"
  health.message = described(stalled)
elseif is(ready, "DeploymentFailed") and not holds(reconciling) then
  health.status = "Degraded"
  health.message = described(ready)
elseif holds(reconciling) and waiting[reconciling.reason] and (holds(ready) or is(ready, "NoDeployment")) then
  health.status = "Suspended"
  health.message = described(reconciling)
elseif under_way then
  health.message = described(reconciling)
  if holds(ready) then
    health.message = with(ready.message, reconciling)
  end
elseif is(ready, "NoDeployment") then
  health.status = "Suspended"
  health.message = described(ready)
elseif holds(ready) then
  health.status = "Healthy"
  health.message = ready.message
  if not holds(synced) then
    health.message = with(health.message, synced)
  elseif holds(reconciling) then
    health.message = with(health.message, reconciling)
  end
else
  health.message = described(reconciling or ready or synced)
end
return health
