package main

import (
	"encoding/json"
	"fmt"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "sigs.k8s.io/json"
)

// strict finds fields that the type does not have, and values that do not fit.
func strict(object *unstructured.Unstructured) (Verdict, error) {
	types := map[string]any{"ServiceMonitor": &monitoring.ServiceMonitor{}, "PrometheusRule": &monitoring.PrometheusRule{}}
	target, known := types[object.GetKind()]
	if !known || object.GetAPIVersion() != monitoring.SchemeGroupVersion.String() {
		return Verdict{}, fmt.Errorf("%s %s is not known here", object.GetAPIVersion(), object.GetKind())
	}
	text, err := json.Marshal(object.Object)
	if err != nil {
		return Verdict{}, err
	}
	wrong, err := utiljson.UnmarshalStrict(text, target)
	if err != nil {
		return Verdict{}, err
	}
	problems := make([]string, 0, len(wrong))
	for _, each := range wrong {
		problems = append(problems, each.Error())
	}
	if len(problems) > 0 {
		return Verdict{Status: "Invalid", Message: strings.Join(problems, "; ")}, nil
	}
	return Verdict{Status: "Valid"}, nil
}
