package main

import (
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func kstatus(object *unstructured.Unstructured) (Verdict, error) {
	result, err := status.Compute(object)
	if err != nil {
		return Verdict{}, err
	}
	return Verdict{Status: string(result.Status), Message: result.Message}, nil
}
