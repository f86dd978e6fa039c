{{- /* --name=value for each entry; whole numbers stay whole. */}}
{{- define "magnum.arguments" -}}
{{- range $name, $value := . }}
- {{ printf "--%s=%s" $name (kindIs "float64" $value | ternary (toJson $value) (toString $value)) | quote }}
{{- end }}
{{- end }}

{{- define "magnum.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* This service. */}}
{{- define "magnum.providerContainer" -}}
{{- $provider := .Values.provider }}
name: provider
image: {{ include "magnum.image" (list $provider.image .Chart.AppVersion) | quote }}
imagePullPolicy: {{ $provider.image.pullPolicy }}
args:
  - serve
  - {{ printf "--cluster-name=%s" .Values.clusterName | quote }}
  - {{ printf "--cloud-config=%s" (empty .Values.cloudConfig.hostPath | ternary "/etc/magnum/cloud-config" "/etc/kubernetes/cloud-config") }}
  {{- if eq .Values.topology "separate" }}
  - {{ printf "--address=%s:8086" $provider.listenAddress | quote }}
  - --tls-cert=/etc/magnum/tls/tls.crt
  - --tls-key=/etc/magnum/tls/tls.key
  - --tls-client-ca=/etc/magnum/tls/ca.crt
  {{- else }}
  - --address=127.0.0.1:8086
  {{- end }}
  - {{ printf "--admin-address=%s:8087" $provider.listenAddress | quote }}
  {{- range .Values.nodes }}
  - {{ printf "--nodes=%s" . | quote }}
  {{- end }}
  {{- range .Values.nodeGroupAutoDiscovery }}
  - {{ printf "--node-group-auto-discovery=%s" . | quote }}
  {{- end }}
  {{- if .Values.settings }}
  - --config=/etc/magnum-settings/settings.yaml
  {{- end }}
  {{- if ne .Values.driver.resizeMethod "auto" }}
  - --resize-method={{ .Values.driver.resizeMethod }}
  {{- end }}
  {{- if .Values.driver.allowUntargetedRemoval }}
  - --allow-untargeted-removal
  {{- end }}
  {{- if .Values.driver.ignoreAutoScaling }}
  - --ignore-auto-scaling
  {{- end }}
  {{- if .Values.identity.byName }}
  - --identify-by-name
  {{- end }}
  {{- with .Values.identity.providerIdPrefix }}
  - {{ printf "--provider-id-prefix=%s" . | quote }}
  {{- end }}
  {{- if .Values.kubeLookup.enabled }}
  - --kube-lookup
  {{- end }}
  {{- if .Values.kubeEvents.enabled }}
  - --kube-events
  {{- end }}
  - --log-format={{ $provider.logFormat }}
  - {{ printf "--log-level=%s" $provider.logLevel | quote }}
  {{- include "magnum.arguments" $provider.extraArgs | nindent 2 }}
{{- with $provider.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- if eq .Values.topology "separate" }}
  - name: grpc
    containerPort: 8086
  {{- end }}
  - name: admin
    containerPort: 8087
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  timeoutSeconds: 5
resources:
  {{- toYaml $provider.resources | nindent 2 }}
securityContext:
  {{- include "magnum.restricted" . | nindent 2 }}
  runAsNonRoot: {{ ne (int $provider.runAsUser) 0 }}
  runAsUser: {{ int $provider.runAsUser }}
  runAsGroup: {{ int $provider.runAsGroup }}
  {{- with $provider.seLinuxType }}
  seLinuxOptions: {type: {{ . }}}
  {{- end }}
volumeMounts:
  - name: openstack
    mountPath: {{ empty .Values.cloudConfig.hostPath | ternary "/etc/magnum" "/etc/kubernetes/cloud-config" }}
    readOnly: true
  {{- if include "magnum.caBundleHostPath" . }}
  - name: ca-bundle
    mountPath: {{ .Values.cloudConfig.caBundle.mountPath }}
    readOnly: true
  {{- else if or .Values.cloudConfig.caBundle.existingSecret .Values.cloudConfig.caBundle.content }}
  - name: ca-bundle
    mountPath: {{ .Values.cloudConfig.caBundle.mountPath }}
    subPath: ca-bundle.crt
    readOnly: true
  {{- end }}
  {{- if .Values.settings }}
  - name: settings
    mountPath: /etc/magnum-settings
    readOnly: true
  {{- end }}
  {{- if eq .Values.topology "separate" }}
  - name: server-tls
    mountPath: /etc/magnum/tls
    readOnly: true
  {{- end }}
  {{- if include "magnum.kubernetes" . }}
  - name: kube-api-access
    mountPath: /var/run/secrets/kubernetes.io/serviceaccount
    readOnly: true
  {{- end }}
{{- end }}

{{- define "magnum.providerVolumes" -}}
{{- $config := .Values.cloudConfig }}
- name: openstack
  {{- if $config.hostPath }}
  hostPath:
    path: {{ $config.hostPath }}
    type: File
  {{- else }}
  secret:
    secretName: {{ include "magnum.cloudConfigSecret" . }}
    defaultMode: 0440
    items:
      - key: {{ include "magnum.cloudConfigKey" . }}
        path: cloud-config
  {{- end }}
{{- if include "magnum.caBundleHostPath" . }}
- name: ca-bundle
  hostPath:
    path: {{ include "magnum.caBundleHostPath" . }}
    type: File
{{- else if or $config.caBundle.existingSecret $config.caBundle.content }}
- name: ca-bundle
  secret:
    secretName: {{ default (printf "%s-ca-bundle" (include "magnum.fullname" .)) $config.caBundle.existingSecret }}
    items:
      - key: {{ empty $config.caBundle.existingSecret | ternary "ca-bundle.crt" $config.caBundle.key }}
        path: ca-bundle.crt
{{- end }}
{{- if .Values.settings }}
- name: settings
  configMap:
    name: {{ include "magnum.settingsConfigMap" . }}
{{- end }}
{{- if eq .Values.topology "separate" }}
- name: server-tls
  secret:
    secretName: {{ include "magnum.serverTlsSecret" . }}
    defaultMode: 0440
{{- if include "magnum.kubernetes" . }}
{{ include "magnum.kubeApiAccess" . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "magnum.autoscalerContainer" -}}
{{- $autoscaler := .Values.clusterAutoscaler }}
name: cluster-autoscaler
image: {{ include "magnum.image" (list $autoscaler.image "") | quote }}
imagePullPolicy: {{ $autoscaler.image.pullPolicy }}
command:
  - ./cluster-autoscaler
  - --cloud-provider=externalgrpc
  - --cloud-config=/config/cloud-config
  - --namespace={{ .Release.Namespace }}
  {{- include "magnum.arguments" $autoscaler.extraArgs | nindent 2 }}
ports:
  - name: metrics
    containerPort: 8085
livenessProbe:
  httpGet: {path: /health-check, port: metrics}
  timeoutSeconds: 5
resources:
  {{- toYaml $autoscaler.resources | nindent 2 }}
securityContext:
  {{- include "magnum.restricted" . | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /config
    readOnly: true
  - name: kube-api-access
    mountPath: /var/run/secrets/kubernetes.io/serviceaccount
    readOnly: true
  {{- if eq .Values.topology "separate" }}
  - name: client-tls
    mountPath: /etc/ssl/client-cert
    readOnly: true
  {{- end }}
{{- end }}

{{- /* The token of the pod's service account. In the container of this service only if it asks Kubernetes. */}}
{{- define "magnum.kubeApiAccess" -}}
- name: kube-api-access
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3607
      - configMap:
          name: kube-root-ca.crt
          items:
            - {key: ca.crt, path: ca.crt}
      - downwardAPI:
          items:
            - path: namespace
              fieldRef: {fieldPath: metadata.namespace}
{{- end }}

{{- define "magnum.autoscalerVolumes" -}}
- name: config
  configMap:
    name: {{ include "magnum.fullname" . }}
{{ include "magnum.kubeApiAccess" . }}
{{- if eq .Values.topology "separate" }}
- name: client-tls
  secret:
    secretName: {{ include "magnum.clientTlsSecret" . }}
    defaultMode: 0440
{{- end }}
{{- end }}
