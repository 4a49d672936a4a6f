// What a client in Go that openapi-generator has made does with the API; a line for each call.

package main

import (
	"context"
	"fmt"
	"os"

	"clients/calls"
	"clients/similarix"
)

var (
	collection = os.Getenv("COLLECTION")
	client     = newClient()
	ctx        = context.WithValue(context.Background(), similarix.ContextAPIKeys, map[string]similarix.APIKey{
		"token": {Key: os.Getenv("TOKEN"), Prefix: "Token"},
	})
)

func newClient() *similarix.APIClient {
	configuration := similarix.NewConfiguration()
	configuration.Servers = similarix.ServerConfigurations{{URL: os.Getenv("API")}}
	return similarix.NewAPIClient(configuration)
}

func newCollection() (string, error) {
	definition := similarix.ManagedCollectionDefinitionAsCollectionDefinition(
		similarix.NewManagedCollectionDefinition("managed", "of a client"))
	answer, _, err := client.CollectionsAPI.CreateCollection(ctx).CollectionDefinition(definition).Execute()
	if err != nil {
		return "", err
	}
	return answer.Result.Collection.Uuid, nil
}

func search() error {
	answer, _, err := client.SearchAPI.SearchByText(ctx).Query("an owl").Limit(5).Collection([]string{collection}).Execute()
	if err != nil {
		return err
	}
	return calls.Check(len(answer.Result.Files) == 5 && answer.Result.Files[0].FileName == "owl.jpg", answer)
}

func pictureSearch() error {
	file, err := os.Open(os.Getenv("PICTURE"))
	if err != nil {
		return err
	}
	request := client.SearchAPI.SearchByPicture(ctx).File(file).Limit(3).Collection([]string{collection})
	answer, _, err := request.Execute()
	if err != nil {
		return err
	}
	return calls.Check(len(answer.Result.Files) == 3 && *answer.Result.Files[0].Distance.Get() == 0, answer)
}

func upload() error {
	uuid, err := newCollection()
	if err != nil {
		return err
	}
	file, err := os.Open(os.Getenv("PICTURE"))
	if err != nil {
		return err
	}
	answer, _, err := client.UploadsAPI.UploadPicture(ctx, uuid).File(file).Execute()
	if err != nil {
		return err
	}
	return calls.Check(answer.Result.File == "owl.jpg" && answer.Result.MimeType == "image/jpeg", answer)
}

func twoStepUpload() error {
	uuid, err := newCollection()
	if err != nil {
		return err
	}
	definition := *similarix.NewUploadDefinition("two.jpg", calls.Size(), "image/jpeg")
	prepared, _, err := client.UploadsAPI.PrepareUpload(ctx, uuid).UploadDefinition(definition).Execute()
	if err != nil {
		return err
	}
	if err := calls.Send(prepared.Result.Form.Url, prepared.Result.Form.Fields); err != nil {
		return err
	}
	completed, _, err := client.UploadsAPI.CompleteUpload(ctx, uuid, prepared.Result.Upload.Id).Execute()
	if err != nil {
		return err
	}
	files, _, err := client.FilesAPI.ListFiles(ctx, uuid).Execute()
	if err != nil {
		return err
	}
	return calls.Check(completed.Result.File == "two.jpg" && files.Result.Files[0].FileName == "two.jpg", files)
}

func list() error {
	listed, _, err := client.CollectionsAPI.ListCollections(ctx).Execute()
	if err != nil {
		return err
	}
	page, _, err := client.FilesAPI.ListFiles(ctx, collection).Limit(10).Execute()
	if err != nil {
		return err
	}
	following, _, err := client.FilesAPI.ListFiles(ctx, collection).Limit(10).Cursor(*page.Info.NextCursor.Get()).Execute()
	if err != nil {
		return err
	}
	account, _, err := client.AccountAPI.ShowAccount(ctx).Execute()
	if err != nil {
		return err
	}
	moved := following.Result.Files[0].Uuid != page.Result.Files[0].Uuid
	large := account.Result.Account.Allowances.Bytes.Allowed > 1<<32
	return calls.Check(len(listed.Result.Collections) > 0 && len(page.Result.Files) == 10 && moved && large, account)
}

func sync() error {
	options := similarix.NewSyncOptions()
	options.SetDryRun(true)
	preview, _, err := client.SynchronizationAPI.StartSync(ctx, collection).SyncOptions(*options).Execute()
	if err != nil {
		return err
	}
	if err := calls.Check(preview.Result.Preview.Complete, preview); err != nil {
		return err
	}
	if _, _, err := client.SynchronizationAPI.StartSync(ctx, collection).Execute(); err != nil {
		return err
	}
	return calls.Eventually(func() (string, error) {
		answer, _, err := client.SynchronizationAPI.ShowSyncStatus(ctx, collection).Execute()
		if err != nil {
			return "", err
		}
		return answer.Result.Status, nil
	})
}

func errors() error {
	_, response, err := client.CollectionsAPI.ShowCollection(ctx, calls.MissingID).Execute()
	refused, ok := err.(*similarix.GenericOpenAPIError)
	if !ok {
		return fmt.Errorf("unexpected: %v", err)
	}
	refusal, ok := refused.Model().(similarix.Refusal)
	return calls.Check(ok && response.StatusCode == 404 && refusal.Info.Error == "not_found", refused.Model())
}

func main() {
	calls.Run(search, pictureSearch, upload, twoStepUpload, list, sync, errors)
}
