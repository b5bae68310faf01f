{{- define "waitroom.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "waitroom.labels" -}}
app.kubernetes.io/name: waitroom
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "waitroom.secret" -}}
{{ .Values.secrets.existing | default (include "waitroom.name" .) }}
{{- end }}

{{- define "waitroom.ownerSecret" -}}
{{ .Values.secrets.existingOwner | default (printf "%s-owner" (include "waitroom.name" .)) }}
{{- end }}

{{/* Settings as variables; those of the two engines come from the Secret. */}}
{{- define "waitroom.environment" -}}
- {name: WAITROOM_PUBLIC_URL, value: {{ .Values.publicUrl | quote }}}
- {name: WAITROOM_ADMIN_PORT, value: "8081"}
- {name: WAITROOM_DRAIN_S, value: {{ .Values.drainSeconds | quote }}}
{{- if .Values.trustedProxies }}
- {name: WAITROOM_TRUSTED_PROXIES, value: {{ join "," .Values.trustedProxies | quote }}}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: WAITROOM_{{ upper $name }}, value: {{ kindIs "slice" $value | ternary (join "," $value) (toString $value) | quote }}}
{{- end }}
- name: WAITROOM_POSTGRES_URL
  valueFrom: {secretKeyRef: {name: {{ include "waitroom.secret" . }}, key: postgres-url}}
- name: WAITROOM_VALKEY_URL
  valueFrom: {secretKeyRef: {name: {{ include "waitroom.secret" . }}, key: valkey-url}}
{{- end }}

{{/* A container that may do next to nothing; its command and ports follow. */}}
{{- define "waitroom.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  # A changed key is seen, and the processes of the pod are renewed one by one.
  - {name: secrets, mountPath: /etc/waitroom, readOnly: true}
{{- with .Values.secrets.environmentFrom }}
envFrom:
  {{- range . }}
  - secretRef: {name: {{ . }}}
  {{- end }}
{{- end }}
{{- end }}

{{- define "waitroom.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
# The drain, and then the longest payment.
terminationGracePeriodSeconds: {{ add .Values.drainSeconds 30 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- range $i, $name := .Values.image.pullSecrets }}
{{- if eq $i 0 }}
imagePullSecrets:
{{- end }}
  - name: {{ $name }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 256Mi}
  - name: secrets
    secret:
      secretName: {{ include "waitroom.secret" . }}
      defaultMode: 0440
      items: [{key: secrets.toml, path: secrets.toml}]
{{- end }}

{{/* Pods of one kind on different nodes, as far as there are any. */}}
{{- define "waitroom.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "waitroom.labels" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Liveness asks for the process alone: a restart does not help while PostgreSQL is away. */}}
{{- define "waitroom.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 60
readinessProbe:
  httpGet: {path: /readyz, port: {{ . }}}
  periodSeconds: 2
  timeoutSeconds: 3
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 5
  timeoutSeconds: 4
  failureThreshold: 4
{{- end }}
