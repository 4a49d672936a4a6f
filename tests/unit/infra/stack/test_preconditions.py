"""Bad input is refused before anything changes, with a sentence that says what to do."""

import pytest

from infra.cloudformation import DeploymentError
from infra.stack import preconditions
from infra.template import read_template
from infra.workers import API, SCHEDULED, WORKERS
from tests.fakes.aws_account import CERTIFICATE, REGION, ZONE, FakeAccount, issued
from tests.fakes.registry_of_images import ACCOUNT

TEMPLATE = read_template()
SIGN_IN_CERTIFICATE = CERTIFICATE.replace(REGION, "us-east-1")
NAMED = {
    "DomainName": "api.example.com",
    "CertificateArn": CERTIFICATE,
    "SignInDomainName": "",
    "SignInCertificateArn": "",
    "HostedZoneId": "",
}
SIGN_IN_NAME = {"SignInDomainName": "login.example.com", "SignInCertificateArn": SIGN_IN_CERTIFICATE}


@pytest.fixture
def account() -> FakeAccount:
    return FakeAccount(certificates={CERTIFICATE: issued("api.example.com")}, zones={ZONE: "example.com."})


class TestRegion:
    def test_the_account_is_that_of_the_credentials(self, account):
        assert preconditions.check_region(account) == ACCOUNT

    @pytest.mark.parametrize(
        ("region", "sentence"),
        [
            ("frankfurt", "no region 'frankfurt'.*--region"),
            ("eu-centrl-1", "cannot be called.*Did you mean eu-central-1"),
        ],
    )
    def test_a_region_that_does_not_exist_is_named(self, account, region, sentence):
        account.region_name = region

        with pytest.raises(DeploymentError, match=sentence):
            preconditions.check_region(account)

    def test_credentials_that_the_region_refuses_are_named_with_both_remedies(self, account):
        account.refused = True

        with pytest.raises(DeploymentError, match=r"refuses your credentials in eu-central-1.*Enable.*sign in"):
            preconditions.check_region(account)


class TestSnapshots:
    @pytest.mark.parametrize("region", preconditions.WITHOUT_SNAPSHOTS)
    def test_a_region_that_has_none_is_refused_with_the_remedy(self, region):
        with pytest.raises(DeploymentError, match="--set ApiSnapStart=false"):
            preconditions.check_snapshots({"ApiSnapStart": "true"}, region)

        preconditions.check_snapshots({"ApiSnapStart": "false"}, region)
        preconditions.check_snapshots({"ApiSnapStart": "true"}, REGION)


class TestStackName:
    @pytest.mark.parametrize("name", ["similarix", "S-2", "a" * 40])
    def test_a_name_of_letters_digits_and_hyphens_is_taken(self, name):
        preconditions.check_stack_name(name)

    @pytest.mark.parametrize("name", ["", "2nd", "my_stack", "similarix!", "a" * 60])
    def test_a_name_that_cloudformation_refuses_or_that_makes_functions_too_long_is_refused(self, name):
        with pytest.raises(DeploymentError, match="Take a letter, then letters"):
            preconditions.check_stack_name(name)

    def test_the_longest_name_gives_every_function_a_name_that_lambda_takes(self):
        names = [API.lambda_name, *(row.function.lambda_name for row in WORKERS), *(row.name for row in SCHEDULED)]
        lengths = [length for length in range(1, 64) if _is_taken("a" * length)]

        assert all(max(lengths) + 1 + len(name) <= 64 for name in names)


def _is_taken(name: str) -> bool:
    try:
        preconditions.check_stack_name(name)
    except DeploymentError:
        return False
    return True


class TestParameters:
    def test_a_value_is_the_given_one_or_the_stacks_or_the_default(self):
        values = preconditions.effective_parameters(
            TEMPLATE, {"LogLevel": "DEBUG"}, {"LogLevel": "ERROR", "ApiMemory": "2048", "Gone": "1"}
        )
        assert (values["LogLevel"], values["ApiMemory"], values["WorkerMemory"]) == ("DEBUG", "2048", "512")
        assert set(values) == set(TEMPLATE["Parameters"])

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            ({"EmbeddrMemory": "3008"}, "no parameter EmbeddrMemory. Did you mean EmbedderMemory?"),
            ({"Colour": "red"}, "no parameter Colour. docs/configuration.md has all"),
            ({"LogLevel": "LOUD"}, "LogLevel=LOUD is not allowed: it is one of DEBUG, INFO"),
            ({"ApiMemory": "much"}, "it is a whole number"),
            ({"ApiMemory": "64"}, "it is 128 at least"),
            ({"ApiMemory": "99999"}, "it is 10240 at most"),
            ({"OpenSearchInstances": "5"}, "it is one of 1, 2, 3"),
            ({"CertificateArn": "arn:aws:iam::1:x"}, "CertificateArn=arn:aws:iam::1:x is not allowed"),
            ({"EventAccounts": "111122223333,12"}, "EventAccounts=111122223333,12 is not allowed"),
            ({"VectorStore": "sqlite"}, "for one machine"),
            ({"VectorStore": "endpoint"}, "--set OpenSearchEndpoint"),
            ({"DomainName": "api.example.com"}, "DomainName and CertificateArn belong together"),
            ({"CertificateArn": CERTIFICATE}, "DomainName and CertificateArn belong together"),
            ({"HostedZoneId": ZONE}, "HostedZoneId is the zone of DomainName and SignInDomainName"),
            ({"SignInDomainName": "login.example.com"}, "SignInDomainName and SignInCertificateArn belong together"),
            ({"SignInCertificateArn": CERTIFICATE}, "is not allowed: it does not match"),  # in another region
            ({"SignInEmailFrom": "login@example.com"}, "SignInEmailArn and SignInEmailFrom belong together"),
            ({"PublicUrl": "http://pictures.example.com"}, "https alone"),
            ({"CognitoDomainPrefix": "my-amazon-pictures"}, "CognitoDomainPrefix=my-amazon-pictures is not allowed"),
            (
                {"EmbedderReservedConcurrency": "2", "EmbedderProvisionedConcurrency": "3"},
                "EmbedderProvisionedConcurrency=3 is more than",
            ),
        ],
    )
    def test_a_value_that_is_wrong_is_refused_with_what_would_be_right(self, given, sentence):
        with pytest.raises(DeploymentError) as refused:
            preconditions.effective_parameters(TEMPLATE, given, {})

        assert sentence in str(refused.value)

    def test_values_may_complete_those_of_the_stack(self):
        current = {"DomainName": "api.example.com", "CertificateArn": CERTIFICATE}

        assert preconditions.effective_parameters(TEMPLATE, {"HostedZoneId": ZONE}, current)["HostedZoneId"] == ZONE


class TestDomainName:
    def check(self, account: FakeAccount, **values: str) -> None:
        preconditions.check_domain_names(account.client, NAMED | values, REGION)

    def test_an_issued_certificate_of_the_name_is_taken_and_so_is_a_zone_that_contains_it(self, account):
        self.check(account, HostedZoneId=ZONE)

    def test_a_certificate_for_all_names_of_a_domain_is_taken(self, account):
        account.certificates[CERTIFICATE] = issued("*.example.com")
        self.check(account)

    def test_without_a_name_nothing_is_asked(self, account):
        self.check(account, DomainName="", CertificateArn="")

    def test_the_certificate_of_the_sign_in_pages_is_looked_up_in_the_region_where_cognito_demands_it(self, account):
        account.certificates[SIGN_IN_CERTIFICATE] = issued("login.example.com")
        self.check(account, **SIGN_IN_NAME, HostedZoneId=ZONE)
        self.check(account, **SIGN_IN_NAME, DomainName="", CertificateArn="")

        assert set(account.asked_elsewhere) == {("acm", "us-east-1")}

    def test_a_certificate_of_another_name_than_that_of_the_sign_in_pages_is_refused(self, account):
        account.certificates[SIGN_IN_CERTIFICATE] = issued("api.example.com")

        with pytest.raises(DeploymentError, match=r"not for login\.example\.com"):
            self.check(account, **SIGN_IN_NAME)

    @pytest.mark.parametrize("covered", ["example.com", "*.com", "*.api.example.com", "other.example.com"])
    def test_a_certificate_of_another_name_is_refused(self, account, covered):
        account.certificates[CERTIFICATE] = issued(covered)

        with pytest.raises(DeploymentError, match=r"not for api\.example\.com"):
            self.check(account)

    def test_a_certificate_that_is_not_issued_yet_is_refused(self, account):
        account.certificates[CERTIFICATE] = issued("api.example.com", status="PENDING_VALIDATION")

        with pytest.raises(DeploymentError, match=r"PENDING_VALIDATION.*deploy once it is ISSUED"):
            self.check(account)

    def test_a_certificate_of_another_region_or_none_is_refused(self, account):
        with pytest.raises(DeploymentError, match=r"in us-east-1, and api\.example\.com takes one of eu-central-1"):
            self.check(account, CertificateArn=CERTIFICATE.replace(REGION, "us-east-1"))
        with pytest.raises(DeploymentError, match="There is no certificate"):
            self.check(account, CertificateArn=f"{CERTIFICATE}d")

    def test_a_zone_that_is_missing_or_another_domains_is_refused(self, account):
        account.zones["Z9"] = "ample.com."
        with pytest.raises(DeploymentError, match="no zone Z1"):
            self.check(account, HostedZoneId="Z1")
        with pytest.raises(DeploymentError, match=r"is ample\.com, which does not contain api\.example\.com"):
            self.check(account, HostedZoneId="Z9")


def test_the_alarm_that_rolls_an_update_back_is_one_of_the_template():
    assert TEMPLATE["Resources"][preconditions.ROLLBACK_ALARM]["Type"] == "AWS::CloudWatch::Alarm"
