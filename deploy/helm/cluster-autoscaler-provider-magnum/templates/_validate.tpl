{{- /* What the schema cannot say. Each message tells which value is wrong and what to give. */}}
{{- define "magnum.validate" -}}
{{- $config := .Values.cloudConfig }}
{{- if not .Values.clusterName }}
{{- fail "clusterName is empty: give the name or the UUID of the Magnum cluster, like --set clusterName=my-cluster" }}
{{- end }}

{{- $sources := list }}
{{- range $name := list "existingSecret" "content" "hostPath" }}
{{- if index $config $name }}{{- $sources = append $sources (printf "cloudConfig.%s" $name) }}{{- end }}
{{- end }}
{{- if not $sources }}
{{- fail "no OpenStack credentials: set one of cloudConfig.existingSecret (a Secret with the file under the key cloud-config), cloudConfig.content (the file's text) and cloudConfig.hostPath (/etc/kubernetes/cloud-config on control-plane nodes of Magnum)" }}
{{- end }}
{{- if gt (len $sources) 1 }}
{{- fail (printf "%s are both set, and it is not clear which credentials count: leave one of them" (join " and " $sources)) }}
{{- end }}
{{- if and $config.hostPath (ne .Values.placement "control-plane") }}
{{- fail (printf "cloudConfig.hostPath is %s, which Magnum writes on control-plane nodes only, and placement is %s: set placement to control-plane, or bring the credentials in a Secret (cloudConfig.existingSecret)" $config.hostPath .Values.placement) }}
{{- end }}

{{- $bundles := list }}
{{- range $name := list "existingSecret" "content" "hostPath" }}
{{- if index $config.caBundle $name }}{{- $bundles = append $bundles (printf "cloudConfig.caBundle.%s" $name) }}{{- end }}
{{- end }}
{{- if gt (len $bundles) 1 }}
{{- fail (printf "%s are both set: leave one of them" (join " and " $bundles)) }}
{{- end }}

{{- if and .Values.nodes .Values.nodeGroupAutoDiscovery }}
{{- fail "nodes and nodeGroupAutoDiscovery are both set: name the groups with nodes, or choose them by role with nodeGroupAutoDiscovery" }}
{{- end }}

{{- $manager := .Values.tls.certManager }}
{{- if eq .Values.topology "separate" }}
{{- if not (or .Values.tls.existingSecret $manager.enabled) }}
{{- fail (printf "topology separate needs certificates: set tls.existingSecret (a Secret with tls.crt, tls.key and ca.crt; DNS name %s), or tls.certManager.enabled and tls.certManager.issuerRef.name" (include "magnum.providerHost" .)) }}
{{- end }}
{{- if and .Values.tls.existingSecret $manager.enabled }}
{{- fail "tls.existingSecret and tls.certManager.enabled are both set: leave one of them" }}
{{- end }}
{{- if and $manager.enabled (not $manager.issuerRef.name) }}
{{- fail "tls.certManager.enabled is true and tls.certManager.issuerRef.name is empty: name the Issuer or ClusterIssuer that signs the certificates" }}
{{- end }}
{{- else if or .Values.tls.existingSecret .Values.tls.existingClientSecret $manager.enabled }}
{{- fail "tls is set and topology is sidecar, where both containers talk over the pod's loopback without TLS: set topology to separate, or leave tls out" }}
{{- end }}

{{- $own := list "address" "admin-address" "cloud-config" "cluster-name" "nodes" "node-group-auto-discovery" "tls-cert" "tls-key" "tls-client-ca" "insecure" "log-format" "log-level" "simulate" "config" "resize-method" "allow-untargeted-removal" "ignore-auto-scaling" "identify-by-name" "provider-id-prefix" "kube-lookup" "kube-events" }}
{{- range $name, $value := .Values.provider.extraArgs }}
{{- if has $name $own }}
{{- fail (printf "provider.extraArgs.%s: the chart sets this option itself, from a value of its own; see values.yaml" $name) }}
{{- end }}
{{- end }}
{{- $own = list "cloud-provider" "cloud-config" "namespace" "nodes" "node-group-auto-discovery" }}
{{- range $name, $value := .Values.clusterAutoscaler.extraArgs }}
{{- if has $name $own }}
{{- fail (printf "clusterAutoscaler.extraArgs.%s: the chart sets this option itself, or it has no effect with an external provider; see values.yaml" $name) }}
{{- end }}
{{- end }}
{{- end }}
