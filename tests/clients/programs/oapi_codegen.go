// What a client in Go that oapi-codegen has made does with the API; a line for each call.

package main

import (
	"context"
	"net/http"
	"os"

	"clients/calls"
	"clients/similarix"

	"github.com/google/uuid"
)

var (
	collection = uuid.MustParse(os.Getenv("COLLECTION"))
	client     = newClient()
	ctx        = context.Background()
)

func newClient() *similarix.ClientWithResponses {
	authorize := func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Token "+os.Getenv("TOKEN"))
		return nil
	}
	made, err := similarix.NewClientWithResponses(os.Getenv("API"), similarix.WithRequestEditorFn(authorize))
	if err != nil {
		panic(err)
	}
	return made
}

func pointer[T any](value T) *T { return &value }

func newCollection() (uuid.UUID, error) {
	var definition similarix.CollectionDefinition
	managed := similarix.ManagedCollectionDefinition{Type: "managed", Name: "of a client"}
	if err := definition.FromManagedCollectionDefinition(managed); err != nil {
		return uuid.UUID{}, err
	}
	answer, err := client.CreateCollectionWithResponse(ctx, nil, definition)
	if err != nil {
		return uuid.UUID{}, err
	}
	if answer.JSON201 == nil {
		return uuid.UUID{}, calls.Check(false, string(answer.Body))
	}
	return answer.JSON201.Result.Collection.Uuid, nil
}

func search() error {
	parameters := similarix.SearchByTextParams{
		Query: pointer("an owl"), Limit: pointer(int64(5)), Collection: &[]uuid.UUID{collection},
	}
	answer, err := client.SearchByTextWithResponse(ctx, &parameters)
	if err != nil {
		return err
	}
	files := answer.JSON200.Result.Files
	return calls.Check(len(files) == 5 && files[0].FileName == "owl.jpg", files)
}

func pictureSearch() error {
	body, contentType, err := calls.Form(nil, "owl.jpg")
	if err != nil {
		return err
	}
	parameters := similarix.SearchByPictureParams{Limit: pointer(int64(3)), Collection: &[]uuid.UUID{collection}}
	answer, err := client.SearchByPictureWithBodyWithResponse(ctx, &parameters, contentType, body)
	if err != nil {
		return err
	}
	files := answer.JSON200.Result.Files
	return calls.Check(len(files) == 3 && *files[0].Distance == 0, files)
}

func upload() error {
	id, err := newCollection()
	if err != nil {
		return err
	}
	body, contentType, err := calls.Form(nil, "one.jpg")
	if err != nil {
		return err
	}
	answer, err := client.UploadPictureWithBodyWithResponse(ctx, id, nil, contentType, body)
	if err != nil {
		return err
	}
	stored := answer.JSON201.Result
	return calls.Check(stored.File == "one.jpg" && stored.MimeType == "image/jpeg", stored)
}

func twoStepUpload() error {
	id, err := newCollection()
	if err != nil {
		return err
	}
	definition := similarix.UploadDefinition{Path: "two.jpg", Size: calls.Size(), MimeType: "image/jpeg"}
	prepared, err := client.PrepareUploadWithResponse(ctx, id, nil, definition)
	if err != nil {
		return err
	}
	form := prepared.JSON201.Result.Form
	if err := calls.Send(form.Url, form.Fields); err != nil {
		return err
	}
	completed, err := client.CompleteUploadWithResponse(ctx, id, prepared.JSON201.Result.Upload.Id, nil)
	if err != nil {
		return err
	}
	files, err := client.ListFilesWithResponse(ctx, id, nil)
	if err != nil {
		return err
	}
	named := files.JSON200.Result.Files[0].FileName == "two.jpg"
	return calls.Check(completed.JSON201.Result.File == "two.jpg" && named, string(files.Body))
}

func list() error {
	listed, err := client.ListCollectionsWithResponse(ctx)
	if err != nil {
		return err
	}
	page, err := client.ListFilesWithResponse(ctx, collection, &similarix.ListFilesParams{Limit: pointer(int64(10))})
	if err != nil {
		return err
	}
	parameters := similarix.ListFilesParams{Limit: pointer(int64(10)), Cursor: page.JSON200.Info.NextCursor}
	following, err := client.ListFilesWithResponse(ctx, collection, &parameters)
	if err != nil {
		return err
	}
	account, err := client.ShowAccountWithResponse(ctx)
	if err != nil {
		return err
	}
	files := page.JSON200.Result.Files
	moved := following.JSON200.Result.Files[0].Uuid != files[0].Uuid
	large := account.JSON200.Result.Account.Allowances.Bytes.Allowed > 1<<32
	return calls.Check(len(listed.JSON200.Result.Collections) > 0 && len(files) == 10 && moved && large, files)
}

func sync() error {
	preview, err := client.StartSyncWithResponse(ctx, collection, nil, similarix.SyncOptions{DryRun: pointer(true)})
	if err != nil {
		return err
	}
	if err := calls.Check(preview.JSON200.Result.Preview.Complete, string(preview.Body)); err != nil {
		return err
	}
	started, err := client.StartSyncWithResponse(ctx, collection, nil, similarix.SyncOptions{})
	if err != nil {
		return err
	}
	if err := calls.Check(started.JSON202 != nil, string(started.Body)); err != nil {
		return err
	}
	return calls.Eventually(func() (string, error) {
		answer, err := client.ShowSyncStatusWithResponse(ctx, collection)
		if err != nil {
			return "", err
		}
		return answer.JSON200.Result.Status, nil
	})
}

func errors() error {
	answer, err := client.ShowCollectionWithResponse(ctx, uuid.MustParse(calls.MissingID))
	if err != nil {
		return err
	}
	return calls.Check(answer.JSON404 != nil && answer.JSON404.Info.Error == "not_found", string(answer.Body))
}

func main() {
	calls.Run(search, pictureSearch, upload, twoStepUpload, list, sync, errors)
}
