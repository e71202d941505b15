{{- /* Environment variables: only what differs from the operator's own defaults. */}}
{{- define "chainenv.env" -}}
{{- with .Values.apiKey }}
{{- if .existingSecret }}
- name: BASETEN_API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret }}
      key: {{ .key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end }}
{{- with .namespaces }}
- name: CHAINENV_DEFAULT_KEY_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}
{{- with .Values.baseten.url }}
- name: BASETEN_BASE_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.namespaces }}
- name: CHAINENV_NAMESPACES
  value: {{ join "," . | quote }}
{{- end }}
{{- if not .Values.leaderElection.enabled }}
- name: CHAINENV_LEADER_ELECTION
  value: "false"
{{- end }}
{{- range $name, $value := .Values.settings }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ printf "CHAINENV_%s" (snakecase $name | upper) }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
