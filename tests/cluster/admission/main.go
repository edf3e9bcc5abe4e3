// Admission is the backend of a validating webhook: it admits everything that does not ask to be refused, and logs it.
//
// A test needs an application with objects that cannot be written while its backend is not ready.
package main

import (
	"encoding/json"
	"log"
	"net/http"
)

type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID       string `json:"uid"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Operation string `json:"operation"`
	DryRun    bool   `json:"dryRun"`
	Object    struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	} `json:"object"`
}

type response struct {
	UID     string  `json:"uid"`
	Allowed bool    `json:"allowed"`
	Status  *status `json:"status,omitempty"`
}

type status struct {
	Message string `json:"message"`
}

// refuse is the annotation that an object asks with to be refused; its value is the reason.
const refuse = "admission.test/refuse"

func admit(asked *request) *response {
	answer := &response{UID: asked.UID, Allowed: true}
	if reason, ok := asked.Object.Metadata.Annotations[refuse]; ok {
		answer.Allowed, answer.Status = false, &status{Message: reason}
	}
	log.Printf("%s %s/%s allowed=%t dryRun=%t", asked.Operation, asked.Namespace, asked.Name, answer.Allowed, asked.DryRun)
	return answer
}

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		var asked review
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.Request == nil {
			http.Error(w, "not an AdmissionReview", http.StatusBadRequest)
			return
		}
		asked.Response, asked.Request = admit(asked.Request), nil
		if err := json.NewEncoder(w).Encode(asked); err != nil {
			log.Print(err)
		}
	})
	http.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	log.Fatal(http.ListenAndServeTLS(":8443", "/tls/tls.crt", "/tls/tls.key", nil))
}
