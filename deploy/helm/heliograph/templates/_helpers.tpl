{{- define "heliograph.name" -}}
{{- if contains "heliograph" .Release.Name }}{{ .Release.Name }}{{ else }}{{ printf "%s-heliograph" .Release.Name }}{{ end -}}
{{- end }}

{{/* Labels that select; they never change. Call with (dict "root" $ "part" "api"). */}}
{{- define "heliograph.selector" -}}
app.kubernetes.io/name: heliograph
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "heliograph.labels" -}}
{{ include "heliograph.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* A container of ours or of a backend: no privileges, nothing to write but volumes. */}}
{{- define "heliograph.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "heliograph.storeUrl" -}}
{{- $name := include "heliograph.name" . -}}
mongodb://{{ range $n := until 3 }}{{ if $n }},{{ end }}{{ $name }}-mongo-{{ $n }}.{{ $name }}-mongo{{ end }}/heliograph?replicaSet=heliograph
{{- end }}

{{- define "heliograph.claim" -}}
{ metadata: { name: data }, spec: { accessModes: [ReadWriteOnce], {{ with .storageClass }}storageClassName: {{ . }}, {{ end }}resources: { requests: { storage: {{ .storage }} } } } }
{{- end }}

{{/* The selecting labels in one line. */}}
{{- define "heliograph.match" -}}
{{ include "heliograph.selector" . | fromYaml | toJson }}
{{- end }}
