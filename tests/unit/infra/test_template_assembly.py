"""How the files of the template become one."""

import pytest

from infra.template.assembly import CONSTANTS, merge, read_file, read_template


def test_short_tags_are_written_out(tmp_path):
    file = tmp_path / "part.yaml"
    file.write_text(
        'A: !Ref Queue\nB: !GetAtt Queue.Arn\nC: !Sub "${A}-b"\nD: !If [HasDomain, !Ref X, [!Condition Y]]\n'
        'E: !Sub ["${A}", {A: !Ref X}]\nF: !GetAtt Function.Alias.Arn\n'
    )

    assert read_file(file) == {
        "A": {"Ref": "Queue"},
        "B": {"Fn::GetAtt": ["Queue", "Arn"]},
        "C": {"Fn::Sub": "${A}-b"},
        "D": {"Fn::If": ["HasDomain", {"Ref": "X"}, [{"Condition": "Y"}]]},
        "E": {"Fn::Sub": ["${A}", {"A": {"Ref": "X"}}]},
        "F": {"Fn::GetAtt": ["Function", "Alias.Arn"]},
    }


def test_a_constant_is_replaced_by_its_value(tmp_path):
    file = tmp_path / "part.yaml"
    file.write_text("Prefix: !Constant MANAGED_PREFIX\n")

    assert read_file(file) == {"Prefix": CONSTANTS["MANAGED_PREFIX"]}


def test_parts_are_merged_down_to_the_properties_of_a_resource():
    one = {"Resources": {"Queue": {"Type": "T", "Properties": {"A": 1}}}}
    other = {"Resources": {"Queue": {"Properties": {"B": 2}}, "Table": {}}, "Outputs": {}}

    assert merge([one, other]) == {
        "Resources": {"Queue": {"Type": "T", "Properties": {"A": 1, "B": 2}}, "Table": {}},
        "Outputs": {},
    }
    assert one == {"Resources": {"Queue": {"Type": "T", "Properties": {"A": 1}}}}


def test_a_value_that_two_parts_give_is_an_error():
    with pytest.raises(ValueError, match="Timeout"):
        merge([{"Queue": {"Timeout": 1}}, {"Queue": {"Timeout": 1}}])


@pytest.mark.parametrize("permissions", ["{}", "{APIHandler: [], Stranger: []}"])
def test_permissions_without_a_function_and_a_function_without_permissions_are_errors(tmp_path, permissions):
    (tmp_path / "part.yaml").write_text(f"Environment: {{}}\nPermissions: {permissions}\n")

    with pytest.raises(ValueError, match=r"permissions\.yaml"):
        read_template(tmp_path)


def test_no_file_of_the_template_has_more_than_400_lines():
    from infra.template.assembly import FOLDER

    assert all(len(path.read_text().splitlines()) <= 400 for path in FOLDER.glob("*.yaml"))
