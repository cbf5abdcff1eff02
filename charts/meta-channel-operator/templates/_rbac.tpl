{{/* What the operator may do in each watched namespace. config/rbac has the same rules; a test compares them. */}}
{{- define "mco.operatorWatchedRules" -}}
- apiGroups: [metachannels.io]
  resources: [metaapps, metagrants, facebookchannels]
  verbs: [list, watch]
# Whether a channel is really gone is asked before its page is cleaned up after.
- apiGroups: [metachannels.io]
  resources: [facebookchannels]
  verbs: [get]
- apiGroups: [metachannels.io]
  resources: [metaapps/status, metagrants/status, facebookchannels/status]
  verbs: [patch]
# create: what the operator makes: verify tokens, tokens that grants use, published page tokens, keys of endpoints; update: all but the
# first; delete: the last two.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, update, delete]
# The Service that handles the traffic of a channel.
- apiGroups: [""]
  resources: [services]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# Which release the namespace belongs to.
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [metachannels-release]
  verbs: [list, watch]
# The namespace's own labels, for MetaApps that choose by them who may use them. In a Role this is this one namespace.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
{{- end }}

{{/* In the claims namespace. Claims are never deleted: they are other tenants' locks too. */}}
{{- define "mco.operatorClaimsRules" -}}
- apiGroups: [metachannels.io]
  resources: [assetclaims]
  verbs: [get, list, watch, create, update]
- apiGroups: [metachannels.io]
  resources: [assetclaims/status]
  verbs: [update]
# What stays at Meta after a channel is told where its claim lies.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* In the release's namespace. */}}
{{- define "mco.operatorLeaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, update]
# What is refused of the Lease is told by Events on it.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/*
In the release's namespace, with a gateway: what people authorized in the browser is taken and thrown away there, and the gateway's keyring
is made and kept. RBAC cannot name what is created; the policy secrets.metachannels.io can.
*/}}
{{- define "mco.operatorInboxRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "mco.keyringName" . }}]
  verbs: [patch]
# There are no such objects: by this verb the policy secrets.metachannels.io knows the operator.
- apiGroups: [metachannels.io]
  resources: [inboxes]
  verbs: [collect]
{{- end }}

{{/* In the release's namespace. Whoever takes the gateway over can read there the keyring, and neither inbox messages nor anything else. */}}
{{- define "mco.gatewayInboxRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [create]
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "mco.keyringName" . }}]
  verbs: [list, watch]
# There are no such objects: by this verb the policy inbox.metachannels.io knows who makes inbox messages and no other Secret.
- apiGroups: [metachannels.io]
  resources: [inboxes]
  verbs: [post]
{{- end }}

{{/* What the gateway may do in each watched namespace. Secrets of tenants it does not read. */}}
{{- define "mco.gatewayWatchedRules" -}}
- apiGroups: [metachannels.io]
  resources: [metaapps, metagrants, facebookchannels]
  verbs: [list, watch]
# What events show of a page is written into status.inbound of its channel. RBAC cannot name a field; the policy inbound.metachannels.io can.
- apiGroups: [metachannels.io]
  resources: [facebookchannels/status]
  verbs: [patch]
# There is no such subresource: by this verb the policies inbound.metachannels.io and secrets.metachannels.io know the gateway.
- apiGroups: [metachannels.io]
  resources: [facebookchannels/inbound]
  verbs: [report]
{{- end }}

{{/*
One Role and the RoleBinding that gives it to an account of the release.
Call with (dict "root" $ "component" … "name" … "namespace" … "rules" … "account" …).
*/}}
{{- define "mco.grant" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "mco.labels" . | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "mco.labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}
