{{/* The standard labels win over those of an object, and those over commonLabels. Call with (dict "root" $ "entry" …). */}}
{{- define "mcc.metadata" -}}
{{- $standard := dict
  "app.kubernetes.io/name" .root.Chart.Name
  "app.kubernetes.io/instance" .root.Release.Name
  "app.kubernetes.io/managed-by" .root.Release.Service
  "app.kubernetes.io/part-of" "meta-channel-operator"
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
}}
labels:
  {{- merge $standard (default dict .entry.labels) .root.Values.commonLabels | toYaml | nindent 2 }}
{{- with merge dict (default dict .entry.annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* One object of ours. Call with (dict "root" $ "kind" … "name" … "entry" …). */}}
{{- define "mcc.object" -}}
apiVersion: metachannels.io/v1alpha1
kind: {{ .kind }}
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  {{- include "mcc.metadata" . | trim | nindent 2 }}
spec:
  {{- omit .entry "labels" "annotations" | toYaml | nindent 2 }}
{{- end }}

{{/* A channel with what it takes from channelDefaults, key by key: a key of its own replaces the default as a whole. */}}
{{- define "mcc.channel" -}}
{{- $channel := dict }}
{{- range $key, $value := .defaults }}
{{- $_ := set $channel $key $value }}
{{- end }}
{{- range $key, $value := .entry }}
{{- $_ := set $channel $key $value }}
{{- end }}
{{- toYaml $channel }}
{{- end }}

{{/* Fails unless exactly one of these keys is set. Call with (dict "of" … "keys" (list …) "where" …). */}}
{{- define "mcc.exactlyOne" -}}
{{- $set := list }}
{{- range .keys }}
{{- if hasKey $.of . }}
{{- $set = append $set . }}
{{- end }}
{{- end }}
{{- if ne (len $set) 1 }}
{{- fail (printf "%s: set exactly one of %s; here it is %s" .where (join ", " .keys) (ternary (join " and " $set) "none" (gt (len $set) 0))) }}
{{- end }}
{{- end }}
