-- Health of a ChainEnvironment in Argo CD. Only the base and table libraries are open to it.
local health = {status = "Progressing", message = "the operator has not looked at it yet"}
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end

local found = {}
for _, condition in ipairs(status.conditions) do
  found[condition.type] = condition
end
local ready, synced, stalled, reconciling = found.Ready, found.Synced, found.Stalled, found.Reconciling

local function is(condition, reason)
  return condition ~= nil and condition.reason == reason
end

local function told(condition)
  if condition == nil then
    return ""
  end
  return condition.reason .. ": " .. (condition.message or "")
end

if status.observedGeneration == nil or status.observedGeneration ~= obj.metadata.generation then
  health.message = "the operator has not acted on this spec yet"
  if synced ~= nil and synced.status ~= "True" then
    health.message = health.message .. ". " .. told(synced)
  end
elseif is(synced, "Paused") then
  health.status = "Suspended"
  health.message = told(synced)
elseif stalled ~= nil and stalled.status == "True" then
  health.status = "Degraded"
  health.message = told(stalled)
elseif is(ready, "DeploymentFailed") then
  health.status = "Degraded"
  health.message = told(ready)
elseif is(ready, "NoDeployment") then
  health.status = "Suspended"
  health.message = told(ready)
elseif ready ~= nil and ready.status == "True" then
  health.status = "Healthy"
  health.message = ready.message
  if synced ~= nil and synced.status ~= "True" then
    health.message = health.message .. ". " .. told(synced)
  end
else
  health.message = told(reconciling or ready or synced)
end
return health
