{{- /* The names in metrics.prometheusRule.disabled, which may be a list or a map. */}}
{{- define "chainenv.disabled" -}}
{{- $names := list }}
{{- with .Values.metrics.prometheusRule.disabled }}
{{- if kindIs "map" . }}
{{- range $name, $on := . }}{{ if $on }}{{ $names = append $names $name }}{{ end }}{{ end }}
{{- else }}
{{- $names = . }}
{{- end }}
{{- end }}
{{- toYaml $names }}
{{- end }}

{{- define "chainenv.alerts" -}}
{{- $chosen := .Values.metrics.prometheusRule }}
{{- $disabled := include "chainenv.disabled" . | fromYamlArray }}
{{- $content := .Files.Get "files/alerts.yaml" | fromYaml }}
{{- $rules := list }}
{{- range (first $content.groups).rules }}
{{- if not (has .alert $disabled) }}
{{- $rule := . }}
{{- with $chosen.runbookURL }}
{{- $_ := set $rule.annotations "runbook_url" (regexReplaceAllLiteral "^[^#]*" (default "" $rule.annotations.runbook_url) .) }}
{{- end }}
{{- with $chosen.criticalNamespaces }}
{{- if and (contains "resource_namespace" $rule.expr) (eq $rule.labels.severity "warning") }}
{{- $critical := printf "{{ if match %q $labels.resource_namespace }}critical{{ else }}warning{{ end }}" (printf "^(?:%s)$" .) }}
{{- $_ := set $rule.labels "severity" $critical }}
{{- end }}
{{- end }}
{{- with get (default dict $chosen.severities) .alert }}
{{- $_ := set $rule.labels "severity" . }}
{{- end }}
{{- $rules = append $rules $rule }}
{{- end }}
{{- end }}
{{- $rules = concat $rules (default list $chosen.additionalRules) }}
{{- toYaml (dict "groups" (list (dict "name" (first $content.groups).name "rules" $rules))) }}
{{- end }}

{{- /* Fails for the name of an alert that does not exist. */}}
{{- define "chainenv.disabledAlerts" -}}
{{- $known := list }}
{{- range (first (.Files.Get "files/alerts.yaml" | fromYaml).groups).rules }}{{ $known = append $known .alert }}{{ end }}
{{- range concat (include "chainenv.disabled" . | fromYamlArray) (keys (default dict .Values.metrics.prometheusRule.severities)) }}
{{- if not (has . $known) }}
{{- fail (printf "metrics.prometheusRule names the alert %s, which does not exist; there are: %s" . (join ", " $known)) }}
{{- end }}
{{- end }}
{{- end }}
