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

{{- define "chainenv.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Every right the operator uses in the namespaces of the resources. */}}
{{- define "chainenv.rules" -}}
- apiGroups: [chains.baseten.co]
  resources: [chainenvironments]
  verbs: [get, list, watch, patch] # patch: the finalizer; spec is never written
- apiGroups: [chains.baseten.co]
  resources: [chainenvironments/status]
  verbs: [update]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get] # one by name, as a resource names it: neither list nor watch
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{- define "chainenv.subjects" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "chainenv.serviceAccount" . }}
    namespace: {{ .Release.Namespace }}
{{- end }}
