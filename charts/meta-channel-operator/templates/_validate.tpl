{{/* What a schema cannot say, or says obscurely. */}}
{{- define "mco.validate" -}}
{{- if not .Values.watchNamespaces }}
{{- fail "watchNamespaces is empty: name at least one namespace whose MetaApps, MetaGrants and FacebookChannels this release manages, e.g. --set 'watchNamespaces={tenant-a}'" }}
{{- end }}
{{- if has .Release.Namespace .Values.watchNamespaces }}
{{- fail (printf "watchNamespaces names %q, the release's own namespace: its tenants could then read what people authorize in the browser, and the app secrets in the gateway's keyring; install the release in a namespace of its own" .Release.Namespace) }}
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
{{- if and (.Values.gateway.forwarding).enabled (not .Values.gateway.enabled) }}
{{- fail "gateway.forwarding.enabled is true but gateway.enabled is false: enable the gateway, too, and give gateway.url" }}
{{- end }}
{{- if and (not .Values.graph.allowTestGraph) (ne (trimSuffix "/" .Values.graph.url) "https://graph.facebook.com") }}
{{- fail (printf "graph.url %q is not Meta's: tokens and app secrets would be sent there; if that is meant, set graph.allowTestGraph" .Values.graph.url) }}
{{- end }}
{{- if and (not .Values.graph.allowTestGraph) (ne (trimSuffix "/" .Values.graph.loginUrl) "https://www.facebook.com") }}
{{- fail (printf "graph.loginUrl %q is not Meta's: people would be sent there to log in; if that is meant, set graph.allowTestGraph" .Values.graph.loginUrl) }}
{{- end }}
{{- $podMonitor := (.Values.podMonitor).enabled }}
{{- if and .Values.serviceMonitor.enabled $podMonitor }}
{{- fail "serviceMonitor.enabled and podMonitor.enabled are both true: Prometheus would read and count each series twice; enable one of them" }}
{{- end }}
{{- if and .Values.prometheusRule.enabled (not .Values.serviceMonitor.enabled) (not $podMonitor) (not .Values.prometheusRule.selector) }}
{{- fail "prometheusRule.enabled is true but neither serviceMonitor.enabled nor podMonitor.enabled is: give prometheusRule.selector, the label matchers by which your Prometheus knows this release's series" }}
{{- end }}
{{- include "mco.validateRoutes" . }}
{{- range $who := list "operator" "gateway" }}
{{- $account := index $.Values $who "serviceAccount" }}
{{- if and (not $account.create) (not $account.name) (or (eq $who "operator") $.Values.gateway.enabled) }}
{{- fail (printf "%s.serviceAccount.create is false but %s.serviceAccount.name is empty: name the existing account" $who $who) }}
{{- end }}
{{- include "mco.validateExtraArgs" (dict "who" $who "args" (index $.Values $who "extraArgs")) }}
{{- end }}
{{- include "mco.validateNamespaces" . }}
{{- end }}

{{/* What brings the public to the gateway. */}}
{{- define "mco.validateRoutes" -}}
{{- $routes := dict "ingress" (.Values.gateway.ingress).enabled "httpRoute" (.Values.gateway.httpRoute).enabled }}
{{- range $name, $enabled := $routes }}
{{- if and $enabled (not $.Values.gateway.enabled) }}
{{- fail (printf "gateway.%s.enabled is true but gateway.enabled is false: enable the gateway, too, and give gateway.url" $name) }}
{{- end }}
{{- $path := (urlParse $.Values.gateway.url).path }}
{{- if and $enabled $path }}
{{- fail (printf "gateway.%s.enabled is true but gateway.url has the path %s, under which the gateway does not answer: give a URL without a path, or route it yourself" $name $path) }}
{{- end }}
{{- end }}
{{- if and $routes.httpRoute (not .Values.gateway.httpRoute.parentRefs) }}
{{- fail "gateway.httpRoute.enabled is true but gateway.httpRoute.parentRefs is empty: name the Gateway that the route belongs to" }}
{{- end }}
{{- end }}

{{/* The flags that the chart sets, and from what. The program refuses a flag that is given twice, and the Pod would not start. */}}
{{- define "mco.ownFlags" -}}
--allow-test-graph: graph.allowTestGraph
--allow-cidrs: gateway.forwarding.allowCidrs
--app-probe-period: operator.appProbePeriod
--claims-namespace: claimsNamespace
--cluster-domain: gateway.forwarding.clusterDomain
--concurrency: operator.concurrency
--deny-cidrs: gateway.forwarding.denyCidrs
--forwarding: gateway.forwarding.enabled
--gateway-url: gateway.url
--graph-proxy-url: graph.proxyUrl
--graph-timeout: graph.timeout
--graph-url: graph.url
--keyring: the name of the release, or fullnameOverride
--leader-elect: operator.leaderElection.enabled
--leader-election-id: the name of the release, or fullnameOverride
--lease-duration: operator.leaderElection.leaseDuration
--lease-renew-deadline: operator.leaderElection.renewDeadline
--lease-retry-period: operator.leaderElection.retryPeriod
--listen-addr: the port of its Service
--log-filter: log.filter
--log-format: log.format
--login-url: graph.loginUrl
--max-objects-per-namespace: maxObjectsPerNamespace
--metrics-addr: the port of its probes
--probe-period: operator.probePeriod
--queue: gateway.forwarding.enabled
--staleness-limit: operator.stalenessLimit
--token-probe-period: operator.tokenProbePeriod
--trusted-proxies: gateway.trustedProxies
--watch-namespaces: watchNamespaces
{{- end }}

{{/* Call with (dict "who" "operator" "args" …). */}}
{{- define "mco.validateExtraArgs" -}}
{{- $own := include "mco.ownFlags" . | fromYaml }}
{{- range .args }}
{{- $flag := splitList "=" . | first }}
{{- with get $own $flag }}
{{- fail (printf "%s.extraArgs gives %s, which the chart sets from %s" $.who $flag .) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
A namespace that is missing is named before anything is created. Whoever may give the operator its Role in a namespace may read that Namespace,
since the Role says so. If none is found, there may be no cluster to ask, as in helm template; kube-system tells.
*/}}
{{- define "mco.validateNamespaces" -}}
{{- if .Values.rbac.create }}
{{- $missing := list }}
{{- range .Values.watchNamespaces }}
{{- if not (lookup "v1" "Namespace" "" .) }}
{{- $missing = append $missing . }}
{{- end }}
{{- end }}
{{- $some := lt (len $missing) (len .Values.watchNamespaces) }}
{{- if and $missing (or $some (lookup "v1" "Namespace" "" "kube-system")) }}
{{- fail (printf "watchNamespaces names namespaces that do not exist: create %s first, or take them out" (join ", " $missing)) }}
{{- end }}
{{- end }}
{{- end }}
