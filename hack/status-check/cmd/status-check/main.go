// Status-check judges stored versions of objects as GitOps tools would: kstatus computes their state, and Flux's own
// rules say whether their conditions fit together. It reads objects as JSON from standard input, one after the other,
// and writes one JSON verdict a line.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/runtime/conditions"
	"github.com/fluxcd/pkg/runtime/conditions/check"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// verdict is what the tools make of one version of an object.
type verdict struct {
	// State is what kstatus computes: Current, InProgress, Failed ...
	State string `json:"state"`
	// Message is kstatus' explanation.
	Message string `json:"message"`
	// Violations are the rules that the version breaks.
	Violations []string `json:"violations"`
}

func main() {
	if err := judgeAll(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judgeAll(in io.Reader, out io.Writer) error {
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	for {
		object := &unstructured.Unstructured{}
		// Not into the map, since the types that kstatus expects come from the decoder of unstructured objects.
		var raw json.RawMessage
		if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := object.UnmarshalJSON(raw); err != nil {
			return err
		}
		judged, err := judge(object)
		if err != nil {
			return err
		}
		if err := encoder.Encode(judged); err != nil {
			return err
		}
	}
}

func judge(object *unstructured.Unstructured) (verdict, error) {
	result, err := status.Compute(object)
	if err != nil {
		return verdict{}, fmt.Errorf("kstatus: %w", err)
	}
	judged := verdict{State: string(result.Status), Message: result.Message, Violations: []string{}}
	observed, _, err := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	if err != nil {
		return verdict{}, err
	}
	if observed < 0 {
		// Nobody has checked the object yet: it has no conditions, and must not pass for finished.
		if result.Status != status.InProgressStatus {
			judged.Violations = append(judged.Violations, "an object that was never observed is "+result.Status.String())
		}
		return judged, nil
	}
	checker := check.NewChecker(nil, &check.Conditions{NegativePolarity: []string{"Stalled", "Reconciling", "Expired"}})
	getter := conditions.UnstructuredGetter(object)
	if conditions.IsTrue(getter, "Reconciling") {
		checker = check.NewInProgressChecker(nil)
	}
	checker.DisableFetch = true
	if failed, _ := checker.Check(context.Background(), getter); failed != nil {
		judged.Violations = append(judged.Violations, failed.Error())
	}
	return judged, nil
}
