{{- define "chainenv.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "chainenv.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "chainenv.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "chainenv.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name: name the service account that is there, or set serviceAccount.create" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "chainenv.selector" -}}
app.kubernetes.io/name: {{ include "chainenv.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "chainenv.labels" -}}
{{ include "chainenv.selector" . }}
app.kubernetes.io/part-of: chainenv
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.extraLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Labels and annotations of an object: (dict "top" $ "labels" .. "annotations" ..), the latter two more of them. */}}
{{- define "chainenv.metadata" -}}
labels:
  {{- include "chainenv.labels" .top | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (default (dict) .annotations) .top.Values.extraAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* With global.imageRegistry in place of the registry: the part before the first slash that has a dot or a port. */}}
{{- define "chainenv.repository" -}}
{{- if .Values.global.imageRegistry }}
{{- $path := regexReplaceAll "^(localhost|[^/]*[.:][^/]*)/" .Values.image.repository "" }}
{{- printf "%s/%s" (trimSuffix "/" .Values.global.imageRegistry) $path }}
{{- else }}
{{- .Values.image.repository }}
{{- end }}
{{- end }}

{{- define "chainenv.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" (include "chainenv.repository" .) .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" (include "chainenv.repository" .) (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- /* A list; each may be a name or an object with one. */}}
{{- define "chainenv.pullSecrets" -}}
{{- $found := list }}
{{- range concat (default list .Values.imagePullSecrets) (default list .Values.global.imagePullSecrets) }}
{{- $found = append $found (ternary (dict "name" .) . (kindIs "string" .)) }}
{{- end }}
{{- toYaml (uniq $found) }}
{{- end }}

{{- /* Every right the operator uses in the namespaces of the resources. */}}
{{- define "chainenv.rules" -}}
- apiGroups: [chains.baseten.co]
  resources: [chainenvironments]
  verbs: [get, list, watch, patch] # patch: the finalizer; spec is never written
- apiGroups: [chains.baseten.co]
  resources: [chainenvironments/status]
  verbs: [update]
{{- if eq .Values.rbac.secrets "watched" }}
{{ include "chainenv.secretsRule" . }}
{{- end }}
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{- define "chainenv.secretsRule" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get] # one by name, as a resource names it: neither list nor watch
{{- end }}

{{- define "chainenv.subjects" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "chainenv.serviceAccount" . }}
    namespace: {{ .Release.Namespace }}
{{- end }}
