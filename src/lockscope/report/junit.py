"""What became of gates as JUnit XML, which continuous integration shows beside its tests."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from lockscope.analysis.gates import Result

__all__ = ["write_junit"]


def write_junit(results: Sequence[Result], file: Path) -> None:
    """Write a suite with one test case for each gate.

    Args:
        results: What became of the gates.
        file: Where to.
    """
    broken = sum(bool(result.broken) for result in results)
    counts = {"tests": str(len(results)), "failures": str(broken), "errors": "0"}
    suite = ET.Element("testsuite", {"name": "lockscope", **counts})
    for result in results:
        case = ET.SubElement(suite, "testcase", classname="lockscope", name=_text(result.gate))
        if result.broken:
            failure = ET.SubElement(case, "failure", message=_text(result.broken[0]))
            failure.text = _text("\n".join(result.broken))
    root = ET.Element("testsuites", counts)
    root.append(suite)
    ET.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def _text(text: str) -> str:
    """The text without what XML 1.0 cannot hold (www.w3.org/TR/xml/#charsets)."""
    return "".join(
        letter if letter in "\t\n" or " " <= letter <= "\ud7ff" or letter >= "\ue000" else "\ufffd"
        for letter in text
    )
