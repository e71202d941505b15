// judge reports what the tools of a cluster make of objects. It reads a JSON list of objects from stdin and writes a JSON
// list of verdicts: kstatus with the library that Flux uses, health with a Lua script as Argo CD runs it, and strict
// with the types of the Prometheus operator.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Verdict of one object. Status is empty when there is none; then Error has the cause.
type Verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
	Error   string `json:"error,omitempty"`
}

type judge func(*unstructured.Unstructured) (Verdict, error)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	chosen, err := choose(arguments)
	if err != nil {
		return err
	}
	var objects []map[string]any
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return err
	}
	verdicts := make([]Verdict, 0, len(objects))
	for _, object := range objects {
		verdict, err := chosen(&unstructured.Unstructured{Object: whole(object).(map[string]any)})
		if err != nil {
			verdict.Error = err.Error()
		}
		verdicts = append(verdicts, verdict)
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}

func choose(arguments []string) (judge, error) {
	switch {
	case len(arguments) == 1 && arguments[0] == "kstatus":
		return kstatus, nil
	case len(arguments) == 2 && arguments[0] == "health":
		script, err := os.ReadFile(arguments[1])
		return health(string(script)), err
	case len(arguments) == 1 && arguments[0] == "strict":
		return strict, nil
	}
	return nil, fmt.Errorf("usage: judge kstatus | health SCRIPT | strict")
}

// whole makes integers of the numbers that are, as the API machinery has them.
func whole(value any) any {
	switch found := value.(type) {
	case float64:
		if found == float64(int64(found)) {
			return int64(found)
		}
	case map[string]any:
		for key, item := range found {
			found[key] = whole(item)
		}
	case []any:
		for index, item := range found {
			found[index] = whole(item)
		}
	}
	return value
}
