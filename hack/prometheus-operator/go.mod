// The CRDs of the Prometheus operator, for trying out what the charts make for it; none of its code is built.
module github.com/meta-channel-operator/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.90.1
