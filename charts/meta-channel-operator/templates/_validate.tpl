{{/* What a schema cannot say, or says obscurely. */}}
{{- define "mco.validate" -}}
{{- if not .Values.watchNamespaces }}
{{- fail "watchNamespaces is empty: name at least one namespace whose MetaApps and FacebookChannels this release manages, e.g. --set 'watchNamespaces={tenant-a}'" }}
{{- end }}
{{- if has .Values.claimsNamespace .Values.watchNamespaces }}
{{- fail (printf "claimsNamespace %q is also in watchNamespaces: anyone who may write in a watched namespace could then forge claims; use a namespace of its own" .Values.claimsNamespace) }}
{{- end }}
{{- if and (gt (int .Values.operator.replicas) 1) (not .Values.operator.leaderElection.enabled) }}
{{- fail "operator.replicas is above 1 but operator.leaderElection.enabled is false: two operators would work against each other" }}
{{- end }}
{{- if and .Values.gateway.enabled (not .Values.gateway.url) }}
{{- fail "gateway.enabled is true but gateway.url is empty: give the public https URL under which Meta reaches the gateway" }}
{{- end }}
{{- if and (not .Values.graph.allowTestGraph) (ne (trimSuffix "/" .Values.graph.url) "https://graph.facebook.com") }}
{{- fail (printf "graph.url %q is not Meta's: tokens and app secrets would be sent there; if that is meant, set graph.allowTestGraph" .Values.graph.url) }}
{{- end }}
{{- if and (not .Values.graph.allowTestGraph) (ne (trimSuffix "/" .Values.graph.loginUrl) "https://www.facebook.com") }}
{{- fail (printf "graph.loginUrl %q is not Meta's: people would be sent there to log in; if that is meant, set graph.allowTestGraph" .Values.graph.loginUrl) }}
{{- end }}
{{- if and .Values.prometheusRule.enabled (not .Values.serviceMonitor.enabled) (not .Values.prometheusRule.selector) }}
{{- fail "prometheusRule.enabled is true but serviceMonitor.enabled is false: give prometheusRule.selector, the label matchers by which your Prometheus knows this release's series" }}
{{- end }}
{{- range $who := list "operator" "gateway" }}
{{- $account := index $.Values $who "serviceAccount" }}
{{- if and (not $account.create) (not $account.name) (or (eq $who "operator") $.Values.gateway.enabled) }}
{{- fail (printf "%s.serviceAccount.create is false but %s.serviceAccount.name is empty: name the existing account" $who $who) }}
{{- end }}
{{- end }}
{{- end }}
