// The CRDs of the Gateway API, for trying out the route that a chart makes; none of its code is built.
module github.com/meta-channel-operator/gateway-api

go 1.26.0

require sigs.k8s.io/gateway-api v1.6.3
