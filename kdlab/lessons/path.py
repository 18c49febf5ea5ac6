"""The way through the lab: its pages in order, each with the question that it answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LabPage:
    """A page: its script, its name in the navigation, and what a visitor asks who then goes there."""

    script: str
    title: str
    icon: str
    path: str
    question: str


HOME = LabPage("../pages/home.py", "Home", ":material/home:", "", "")
SOFT_TARGETS = LabPage(
    "../pages/soft_targets.py",
    "Soft targets",
    ":material/equalizer:",
    "soft-targets",
    "what does a teacher say beyond its answer?",
)
LOSS = LabPage(
    "../pages/loss.py",
    "Loss",
    ":material/function:",
    "loss",
    "how does a student follow its label and its teacher at once?",
)
DISTILL = LabPage(
    "../pages/distill.py", "Distill", ":material/school:", "distill", "does it make a real student better?"
)
ACCESS = LabPage(
    "../pages/access.py",
    "Access",
    ":material/lock_open:",
    "access",
    "what does it help to look inside the teacher?",
)
TEACHERS = LabPage(
    "../pages/teachers.py",
    "Teachers",
    ":material/cast_for_education:",
    "teachers",
    "where do teachers and students come from?",
)
RUNS = LabPage("../pages/runs.py", "Runs", ":material/history:", "runs", "what do other settings change?")
PAGES = (HOME, SOFT_TARGETS, LOSS, DISTILL, ACCESS, TEACHERS, RUNS)
