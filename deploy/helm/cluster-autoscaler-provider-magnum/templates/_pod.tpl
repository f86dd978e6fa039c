{{- /* Templates with what the service reads at its start: a change of them restarts its pod. */}}
{{- define "magnum.providerRestartOn" -}}
{{- if or .Values.cloudConfig.content .Values.cloudConfig.caBundle.content }}cloud-config-secret {{ end }}
{{- if .Values.settings }}settings {{ end }}
{{- end }}

{{- define "magnum.podMetadata" -}}
annotations:
  {{- with .root.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- range $file := .restartOn }}
  checksum/{{ $file }}: {{ include (printf "%s/%s.yaml" $.root.Template.BasePath $file) $.root | sha256sum }}
  {{- end }}
labels:
  {{- include "magnum.selectorLabels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* What is the same for every pod: where it runs and as whom. */}}
{{- define "magnum.podSpec" -}}
{{- $values := .root.Values }}
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- $selector := $values.nodeSelector }}
{{- if eq $values.placement "control-plane" }}
{{- $selector = merge (deepCopy $selector) $values.controlPlaneNodeSelector }}
{{- end }}
{{- with $selector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or $values.tolerations (eq $values.placement "control-plane") }}
tolerations:
  {{- if eq $values.placement "control-plane" }}
  # Magnum's control-plane nodes have one or the other, by the version of Kubernetes.
  - {key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}
  - {key: node-role.kubernetes.io/master, operator: Exists, effect: NoSchedule}
  - {key: CriticalAddonsOnly, operator: Exists}
  {{- end }}
  {{- with $values.tolerations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
affinity:
  {{- if $values.affinity }}
  {{- toYaml $values.affinity | nindent 2 }}
  {{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "magnum.selectorLabels" .root | nindent 14 }}
              app.kubernetes.io/component: {{ .component }}
  {{- end }}
{{- end }}
