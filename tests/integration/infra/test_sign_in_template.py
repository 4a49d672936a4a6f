"""What the packaged template promises of the sign-in to the dashboard."""

import json
import re
from typing import Any

import pytest

from chalicelib.domain.plans import PLANS
from infra.template.edits import SIGN_IN_SETTINGS, with_sign_in_at
from tests.integration.infra.conftest import referred, translate

REGIONS = ("us-east-1", "ap-southeast-1", "eu-central-1")
STACK_ID = "arn:aws:cloudformation:us-east-1:111122223333:stack/Similarix/51af3dc0-da77-11e4-872e-1234567db123"
MAX_PREFIX, MAX_RELYING_PARTY = 63, 63  # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
CONDITIONAL = {
    "UserPool": "HasSignIn",
    "SignInClient": "HasSignIn",
    "SignInStyle": "HasSignIn",
    "SignInSettings": "HasSignIn",
    "SignInPrefix": "HasSignInPrefix",
    "SignInName": "HasSignInDomainName",
    "SignInRecord": "HasSignInRecord",
}


@pytest.fixture
def pool(resources) -> dict[str, Any]:
    return resources["UserPool"]["Properties"]


@pytest.fixture
def client(resources) -> dict[str, Any]:
    return resources["SignInClient"]["Properties"]


def resolved(value: Any, region: str, **parameters: str) -> str:
    """What the functions of CloudFormation make of a value, as far as the names of the sign-in pages need them."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Ref":
        return {"AWS::StackId": STACK_ID, "AWS::Region": region, **parameters}[argument]
    if function == "Fn::If":
        condition, yes, no = argument
        names = {"HasCognitoPrefix": "CognitoDomainPrefix", "NamesSignIn": "SignInDomainName"}
        return resolved(yes if parameters.get(names[condition]) else no, region, **parameters)
    if function == "Fn::Select":
        index, parts = argument
        separator, text = parts["Fn::Split"]
        return resolved(text, region, **parameters).split(separator)[index]
    assert function == "Fn::Sub"
    text, values = argument if isinstance(argument, list) else (argument, {})
    known = {name: resolved(given, region, **parameters) for name, given in values.items()}
    known |= {"AWS::Region": region, **parameters}
    return re.sub(r"\$\{([\w:]+)\}", lambda match: known[match[1]], text)


def test_everything_is_made_unless_there_is_to_be_no_sign_in(template, resources):
    assert {name: resources[name]["Condition"] for name in CONDITIONAL} == CONDITIONAL
    for condition in ("HasSignInPrefix", "HasSignInDomainName"):
        assert {"Condition": "HasSignIn"} in template["Conditions"][condition]["Fn::And"]
    assert template["Conditions"]["HasSignIn"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "SignUp"}, "none"]}]}
    assert template["Outputs"]["UserPoolId"]["Condition"] == "HasSignIn"


def test_strangers_sign_up_only_where_a_parameter_says_so(template, pool, functions):
    declared = template["Parameters"]["SignUp"]

    assert (declared["Default"], declared["AllowedValues"]) == ("invitation", ["open", "invitation", "none"])
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] == {"Fn::If": ["IsOpen", False, True]}
    variables = functions["APIHandler"]["Environment"]["Variables"]
    assert variables["SIGN_UP"] == {"Fn::If": ["IsOpen", "open", "invitation"]}


def test_invitations_are_sent_from_one_address_where_a_parameter_names_it(template, resources, functions):
    assert template["Parameters"]["InvitationSender"]["Default"] == ""
    assert functions["APIHandler"]["Environment"]["Variables"]["INVITATION_SENDER"] == {"Ref": "InvitationSender"}
    permission = resources["InvitationPermission"]
    assert permission["Condition"] == "SendsInvitations"
    assert permission["Properties"]["Roles"] == [{"Ref": "APIHandlerRole"}]
    (statement,) = permission["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "ses:SendEmail"
    assert statement["Condition"] == {"StringEquals": {"ses:FromAddress": {"Ref": "InvitationSender"}}}
    own = {"AWS::Partition": "aws", "AWS::AccountId": "111122223333"}
    assert [resolved(arn, "eu-central-1", **own) for arn in statement["Resource"]] == [
        "arn:aws:ses:eu-central-1:111122223333:identity/*",
        "arn:aws:ses:eu-central-1:111122223333:configuration-set/*",
    ]


def test_the_permission_to_send_is_valid_while_no_parameter_names_an_address(resources):
    """CloudFormation may evaluate what a false condition leaves out, and an empty text has no second part."""
    assert "Fn::Select" not in json.dumps(resources["InvitationPermission"])


def test_the_default_plan_is_a_plan_and_by_default_the_one_that_costs_least(template, functions):
    declared = template["Parameters"]["DefaultPlan"]

    assert declared["AllowedValues"] == list(PLANS)
    assert declared["Default"] == "free"
    assert functions["APIHandler"]["Environment"]["Variables"]["DEFAULT_PLAN"] == {"Ref": "DefaultPlan"}


class TestPool:
    def test_users_are_not_lost_with_the_stack_nor_deleted_by_mistake(self, resources, pool):
        assert resources["UserPool"]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert resources["UserPool"]["UpdateReplacePolicy"] == "Retain"
        assert pool["DeletionProtection"] == {"Fn::If": ["ProtectsTables", "ACTIVE", "INACTIVE"]}

    def test_a_user_is_known_by_an_address_that_was_verified_also_after_a_change(self, pool):
        assert pool["UsernameAttributes"] == ["email"]
        assert pool["AutoVerifiedAttributes"] == ["email"]
        assert pool["UserAttributeUpdateSettings"] == {"AttributesRequireVerificationBeforeUpdate": ["email"]}
        assert pool["UsernameConfiguration"] == {"CaseSensitive": False}

    def test_a_second_factor_may_be_required_and_otherwise_a_passkey_will_do(self, template, pool):
        factors = pool["Policies"]["SignInPolicy"]["AllowedFirstAuthFactors"]

        assert pool["MfaConfiguration"] == {"Fn::If": ["NeedsSecondFactor", "ON", "OPTIONAL"]}
        assert pool["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]
        assert factors == {"Fn::If": ["NeedsSecondFactor", ["PASSWORD"], ["PASSWORD", "WEB_AUTHN"]]}
        assert pool["WebAuthnUserVerification"] == "required"
        assert template["Parameters"]["SecondFactor"]["Default"] == "optional"


class TestNames:
    @pytest.mark.parametrize("region", REGIONS)
    @pytest.mark.parametrize("prefix", ["", "a" * 25])
    def test_the_prefix_and_the_passkeys_domain_are_within_their_limits_in_every_region(
        self, resources, pool, region, prefix
    ):
        domain = resolved(resources["SignInPrefix"]["Properties"]["Domain"], region, CognitoDomainPrefix=prefix)
        relying_party = resolved(pool["WebAuthnRelyingPartyID"], region, CognitoDomainPrefix=prefix)

        assert re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", domain)
        assert not re.search("aws|amazon|cognito", domain)
        assert len(domain) <= MAX_PREFIX
        assert relying_party == f"{domain}.auth.{region}.amazoncognito.com"
        assert len(relying_party) <= MAX_RELYING_PARTY

    def test_a_name_of_ones_own_is_that_of_the_passkeys_of_the_pages_and_of_the_settings(self, resources, pool):
        own = {"SignInDomainName": "login.example.com"}
        _, values = resources[SIGN_IN_SETTINGS]["Properties"]["Value"]["Fn::Sub"]

        assert resolved(pool["WebAuthnRelyingPartyID"], "eu-central-1", **own) == "login.example.com"
        assert resolved(values["Url"], "eu-central-1", **own) == "https://login.example.com"
        assert referred(resources["SignInName"]["Properties"]["Domain"]) == "SignInDomainName"

    @pytest.mark.parametrize(
        ("parameter", "good", "bad"),
        [
            ("CognitoDomainPrefix", ["", "pictures-1", "p"], ["Pictures", "-a", "a-", "my-aws", "a" * 26, "a.b"]),
            (
                "SignInCertificateArn",
                ["", "arn:aws:acm:us-east-1:111122223333:certificate/0a1b-2c"],
                ["arn:aws:acm:eu-central-1:111122223333:certificate/0a1b-2c"],
            ),
            ("InvitationSender", ["", "hello@b.example"], ["Similarix", "a@b", "X <a@b.example>", "a@b.c,d@e.f"]),
            ("SignInEmailFrom", ["", "a@b.example", "Similarix <login@b.example>"], ["Similarix", "<a>"]),
        ],
    )
    def test_a_parameter_takes_its_own_form_alone(self, template, parameter, good, bad):
        pattern = template["Parameters"][parameter]["AllowedPattern"]

        assert all(re.fullmatch(pattern, value) for value in good)
        assert not any(re.fullmatch(pattern, value) for value in bad)


class TestClient:
    def test_it_takes_a_code_with_pkce_and_has_no_secret(self, client):
        assert client["AllowedOAuthFlows"] == ["code"]
        assert client["AllowedOAuthScopes"] == ["openid", "email", "profile"]
        assert client["GenerateSecret"] is False
        assert client["PreventUserExistenceErrors"] == "ENABLED"

    def test_it_returns_users_to_the_applications_own_pages_alone(self, template, client):
        url = template["Outputs"]["ApiUrl"]["Value"]

        assert client["CallbackURLs"] == [{"Fn::Sub": ["${Url}/sign-in/callback", {"Url": url}]}]
        assert client["LogoutURLs"] == [{"Fn::Sub": ["${Url}/sign-out", {"Url": url}]}]

    def test_no_function_refers_to_it_because_it_refers_to_the_api_and_the_api_to_its_function(self, template):
        resources = translate(template)["Resources"]
        needed, waiting = set(), ["SignInClient"]
        while waiting:
            name = waiting.pop()
            found = set(
                re.findall(r'"Ref": "(\w+)"|"Fn::GetAtt": \["(\w+)"|\$\{(\w+)[.}]', json.dumps(resources[name]))
            )
            new = {each for group in found for each in group if each in resources} - needed
            needed |= new
            waiting += new

        assert {"RestAPI", "APIHandler"} <= needed
        assert "SignInClient" not in needed


def test_on_the_emulator_users_sign_in_at_its_own_url_and_nothing_else_differs(template):
    local = with_sign_in_at(template, "http://127.0.0.1:4566")
    value = local["Resources"][SIGN_IN_SETTINGS]["Properties"]["Value"]["Fn::Sub"]

    assert value[1] == {"Url": "http://127.0.0.1:4566"}
    assert value[0] == template["Resources"][SIGN_IN_SETTINGS]["Properties"]["Value"]["Fn::Sub"][0]
    assert set(json.loads(value[0])) == {"url", "issuer", "client_id"}
    assert set(template["Resources"]) - set(local["Resources"]) == {"SignInStyle"}
    local["Resources"][SIGN_IN_SETTINGS] = template["Resources"][SIGN_IN_SETTINGS]
    local["Resources"]["SignInStyle"] = template["Resources"]["SignInStyle"]
    local["Outputs"]["SignInUrl"] = template["Outputs"]["SignInUrl"]
    assert local == template
