{{- define "magnum.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "magnum.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "magnum.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "magnum.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "magnum.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "magnum.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- /* Whether the service asks Kubernetes, and with whose rights: in `separate` it has an account of its own. */}}
{{- define "magnum.kubernetes" -}}
{{- if or .Values.kubeLookup.enabled .Values.kubeEvents.enabled }}true{{ end }}
{{- end }}

{{- define "magnum.hasProviderServiceAccount" -}}
{{- if and (include "magnum.kubernetes" .) (eq .Values.topology "separate") .Values.serviceAccount.create }}true{{ end }}
{{- end }}

{{- define "magnum.providerServiceAccountName" -}}
{{- if include "magnum.hasProviderServiceAccount" . }}
{{- include "magnum.providerName" . }}
{{- else }}
{{- include "magnum.serviceAccountName" . }}
{{- end }}
{{- end }}

{{- define "magnum.selectorLabels" -}}
app.kubernetes.io/name: {{ include "magnum.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "magnum.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "magnum.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "magnum.providerName" -}}
{{- printf "%s-provider" (include "magnum.fullname" .) }}
{{- end }}

{{- /* The host that cluster-autoscaler connects to in `separate`, and the name in the service's certificate. */}}
{{- define "magnum.providerHost" -}}
{{- printf "%s.%s.svc" (include "magnum.providerName" .) .Release.Namespace }}
{{- end }}

{{- define "magnum.cloudConfigSecret" -}}
{{- if .Values.cloudConfig.existingSecret }}
{{- .Values.cloudConfig.existingSecret }}
{{- else }}
{{- printf "%s-cloud-config" (include "magnum.fullname" .) }}
{{- end }}
{{- end }}

{{- define "magnum.settingsConfigMap" -}}
{{- printf "%s-settings" (include "magnum.fullname" .) }}
{{- end }}

{{- /* What the key of the credentials is in the Secret. */}}
{{- define "magnum.cloudConfigKey" -}}
{{- if .Values.cloudConfig.existingSecret }}{{ .Values.cloudConfig.key }}{{ else }}cloud-config{{ end }}
{{- end }}

{{- /* The CA bundle on the node, if there is one to mount. */}}
{{- define "magnum.caBundleHostPath" -}}
{{- $bundle := .Values.cloudConfig.caBundle }}
{{- if eq $bundle.hostPath "none" }}
{{- else if $bundle.hostPath }}
{{- $bundle.hostPath }}
{{- else if and .Values.cloudConfig.hostPath (not $bundle.existingSecret) (not $bundle.content) }}
{{- "/etc/kubernetes/ca-bundle.crt" }}
{{- end }}
{{- end }}

{{- define "magnum.serverTlsSecret" -}}
{{- if .Values.tls.certManager.enabled }}
{{- printf "%s-server-tls" (include "magnum.fullname" .) }}
{{- else }}
{{- .Values.tls.existingSecret }}
{{- end }}
{{- end }}

{{- define "magnum.clientTlsSecret" -}}
{{- if .Values.tls.certManager.enabled }}
{{- printf "%s-client-tls" (include "magnum.fullname" .) }}
{{- else }}
{{- default .Values.tls.existingSecret .Values.tls.existingClientSecret }}
{{- end }}
{{- end }}

{{- define "magnum.image" -}}
{{- $image := index . 0 }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default (index . 1) $image.tag) }}
{{- end }}
{{- end }}
