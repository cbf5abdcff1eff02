{{- define "mco.name" -}}
{{- default .Chart.Name .Values.nameOverride | replace "." "-" | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* Suffixes of up to 16 characters still fit into the 63 of a label or Service name. Release names may hold dots, Services not. */}}
{{- define "mco.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- $name = .Values.fullnameOverride }}
{{- else if not (contains $name .Release.Name) }}
{{- $name = printf "%s-%s" .Release.Name $name }}
{{- else }}
{{- $name = .Release.Name }}
{{- end }}
{{- $name | replace "." "-" | trunc 47 | trimSuffix "-" }}
{{- end }}

{{- define "mco.gatewayName" -}}
{{ include "mco.fullname" . }}-gateway
{{- end }}

{{/* What the gateway's Pods are made of. One that forwards is alone with its volume. Absent from the values of a release that is upgraded with --reuse-values. */}}
{{- define "mco.gatewaySettings" -}}
{{- $gateway := deepCopy .Values.gateway }}
{{- $forwarding := default (dict "enabled" false) $gateway.forwarding }}
{{- $_ := set $gateway "forwarding" $forwarding }}
{{- if $forwarding.enabled }}
{{- $_ := set $gateway "replicas" 1 }}
{{- $_ := set $gateway "resources" $forwarding.resources }}
{{- $mount := dict "name" "queue" "mountPath" "/var/lib/meta-channels" }}
{{- $_ := set $gateway "extraVolumeMounts" (append $gateway.extraVolumeMounts $mount) }}
{{- end }}
{{- toYaml $gateway }}
{{- end }}

{{/* The Secret with what the gateway knows of MetaApps, which the operator makes. */}}
{{- define "mco.keyringName" -}}
{{ include "mco.gatewayName" . }}-keyring
{{- end }}

{{/* For objects in namespaces shared with other releases: the release's namespace has no dots, so this is unique. */}}
{{- define "mco.remoteName" -}}
{{ .Release.Namespace }}.{{ include "mco.fullname" . }}
{{- end }}

{{- define "mco.selectorLabels" -}}
app.kubernetes.io/name: {{ include "mco.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Call with (dict "root" $ "component" "operator"). The standard labels win over commonLabels. */}}
{{- define "mco.labels" -}}
{{- $standard := dict
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" .root.Chart.AppVersion
  "app.kubernetes.io/managed-by" .root.Release.Service
  "app.kubernetes.io/part-of" "meta-channel-operator"
}}
{{- merge (include "mco.selectorLabels" . | fromYaml) $standard .root.Values.commonLabels | toYaml }}
{{- end }}

{{- define "mco.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end }}{{ .Values.image.repository }}
{{- with .Values.image.digest }}@{{ . }}{{ else }}:{{ default .Chart.AppVersion .Values.image.tag }}{{ end }}
{{- end }}

{{- define "mco.operatorServiceAccount" -}}
{{- default (include "mco.fullname" .) .Values.operator.serviceAccount.name }}
{{- end }}

{{- define "mco.gatewayServiceAccount" -}}
{{- default (include "mco.gatewayName" .) .Values.gateway.serviceAccount.name }}
{{- end }}

{{/* Tells the series of this release from those of others; rules and dashboard pick them by it. */}}
{{- define "mco.releaseLabel" -}}
{{ .Release.Namespace }}/{{ .Release.Name }}
{{- end }}
