// Package calls runs the calls of a client, and prints a line for each.
package calls

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"time"
)

// MissingID identifies nothing.
const MissingID = "00000000-0000-4000-8000-000000000000"

var names = []string{"search", "picture search", "upload", "two-step upload", "list", "sync", "errors"}

// Check is an error unless the condition holds.
func Check(condition bool, what any) error {
	if condition {
		return nil
	}
	return fmt.Errorf("unexpected: %+v", what)
}

// Size is that of the picture, in bytes.
func Size() int64 {
	info, err := os.Stat(os.Getenv("PICTURE"))
	if err != nil {
		panic(err)
	}
	return info.Size()
}

// Form is a form with the fields, and the picture after them; and its content type.
func Form(fields map[string]string, name string) (*bytes.Buffer, string, error) {
	body := &bytes.Buffer{}
	form := multipart.NewWriter(body)
	for field, value := range fields {
		if err := form.WriteField(field, value); err != nil {
			return nil, "", err
		}
	}
	file, err := form.CreateFormFile("file", name)
	if err != nil {
		return nil, "", err
	}
	picture, err := os.ReadFile(os.Getenv("PICTURE"))
	if err != nil {
		return nil, "", err
	}
	if _, err := file.Write(picture); err != nil {
		return nil, "", err
	}
	return body, form.FormDataContentType(), form.Close()
}

// Send sends the form of an upload in two steps to S3.
func Send(url string, fields map[string]string) error {
	body, contentType, err := Form(fields, "two.jpg")
	if err != nil {
		return err
	}
	response, err := http.Post(url, contentType, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return Check(response.StatusCode < 300, response.Status)
}

// Eventually waits until the status of a sync is "completed".
func Eventually(status func() (string, error)) error {
	for {
		now, err := status()
		if err != nil || now == "completed" {
			return err
		}
		if now != "in_progress" {
			return fmt.Errorf("the sync is %s", now)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// Run runs the calls in the order of their names.
func Run(calls ...func() error) {
	for number, call := range calls {
		outcome := "ok"
		if err := call(); err != nil {
			outcome = strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Printf("%s: %s\n", names[number], outcome)
	}
}
