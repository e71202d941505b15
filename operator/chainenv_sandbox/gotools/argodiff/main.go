// argodiff compares as Argo CD does, with Argo CD's own library. It reads {"openapi": OBJECT, "pairs": [PAIR...]} from
// stdin, where openapi is what the API server says at /openapi/v2, and writes a JSON list with the differences of each
// pair as a merge patch; an empty object means that Argo CD shows the resource as Synced.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	openapi "github.com/google/gnostic-models/openapiv2"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/util/proto"
)

// Pair is a manifest in Git and the object in the cluster. Predicted is what a server-side apply of the manifest would
// make of the object, asked as a dry run; without it the differences are those of a client-side apply.
type Pair struct {
	Config    *unstructured.Unstructured `json:"config"`
	Live      *unstructured.Unstructured `json:"live"`
	Predicted json.RawMessage            `json:"predicted,omitempty"`
}

const manager = "argocd-controller"

type predicted string

func (text predicted) Run(context.Context, *unstructured.Unstructured, string) (string, error) {
	return string(text), nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked struct {
		OpenAPI json.RawMessage `json:"openapi"`
		Pairs   []Pair          `json:"pairs"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	parser, err := types(asked.OpenAPI)
	if err != nil {
		return err
	}
	found := make([]json.RawMessage, 0, len(asked.Pairs))
	for _, pair := range asked.Pairs {
		patch, err := differences(pair, parser)
		if err != nil {
			return err
		}
		found = append(found, patch)
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func types(text []byte) (*managedfields.GvkParser, error) {
	document, err := openapi.ParseDocument(text)
	if err != nil {
		return nil, err
	}
	models, err := proto.NewOpenAPIData(document)
	if err != nil {
		return nil, err
	}
	return managedfields.NewGVKParser(models, false)
}

func differences(pair Pair, parser *managedfields.GvkParser) (json.RawMessage, error) {
	options := []diff.Option{diff.WithGVKParser(parser), diff.WithManager(manager)}
	if pair.Predicted != nil {
		options = append(options, diff.WithServerSideDiff(true), diff.WithServerSideDryRunner(predicted(pair.Predicted)))
	}
	result, err := diff.Diff(pair.Config, pair.Live, options...)
	if err != nil {
		return nil, err
	}
	patch, err := jsonpatch.CreateMergePatch(result.NormalizedLive, result.PredictedLive)
	if err == nil && result.Modified != (string(patch) != "{}") {
		err = fmt.Errorf("modified is %t, but the patch is %s", result.Modified, patch)
	}
	return patch, err
}
