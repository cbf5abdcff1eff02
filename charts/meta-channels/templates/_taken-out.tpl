{{/*
What is taken out of the values and may not be deleted yet would be forgotten: Helm 3 says that it upgraded, Helm 4 remembers the
failed revision, and an uninstallation leaves the object. So an upgrade fails before it changes anything. Asked is what the policy
deletion.metachannels.io asks; without a cluster, lookup finds nothing. Call with (dict "root" $ "kind" … "plural" … "in" …).
*/}}
{{- define "mcc.takenOut" -}}
{{- range (lookup "metachannels.io/v1alpha1" .kind .root.Release.Namespace "").items }}
{{- $annotations := default dict .metadata.annotations }}
{{- $ours := eq (get $annotations "meta.helm.sh/release-name") $.root.Release.Name }}
{{- $kept := eq (get $annotations "helm.sh/resource-policy") "keep" }}
{{- $meant := eq (get $annotations "metachannels.io/allow-deletion") "true" }}
{{- if and $ours (not $kept) (not $meant) (not (hasKey $.in .metadata.name)) }}
{{- $status := default dict .status }}
{{- $why := "" }}
{{- if eq $.kind "FacebookChannel" }}
{{- if and (get $status "claimName") (ne (get .spec "connection") "Disconnected") }}
{{- $why = "holds its page and is not declared Disconnected. Put it back with connection: Disconnected and upgrade; then take it out" }}
{{- end }}
{{- else if ge (int (default -1 $status.observedGeneration)) 0 }}
{{- $channels := get $status "channels" }}
{{- if eq $.kind "MetaApp" }}
{{- $channels = get (default dict $channels) "total" }}
{{- end }}
{{- if ne (toString $channels) "0" }}
{{- $why = "is used by channels, as far as they are counted. Put it back and take its channels out first, and it a minute later" }}
{{- end }}
{{- end }}
{{- if $why }}
{{- fail (printf "%s %s/%s was taken out of the values, but would not be deleted: it %s. If the deletion is meant: kubectl annotate --namespace %s %s %s metachannels.io/allow-deletion=true" $.kind .metadata.namespace .metadata.name $why .metadata.namespace $.plural .metadata.name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
