// The dashboard against Grafana's own schema, as its SDK has it.
module chainenv.test/dashboard

go 1.26.0

require github.com/grafana/grafana-foundation-sdk/go v0.0.22
