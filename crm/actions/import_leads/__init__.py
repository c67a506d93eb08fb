"""Writes a chunk of an import, and takes one back: many leads in one transaction, each with history and timeline.

The same rows as `crm.actions.leads` writes for one lead, inserted by the thousand. What leads have in common is
looked up once for the chunk. The facts are told one by one; what receivers gather of them is written once.
"""

from crm.actions.import_leads.deciding import ERASED, decide, marks_of
from crm.actions.import_leads.run import Decision, Run
from crm.actions.import_leads.undoing import take_back
from crm.actions.import_leads.writing import Writer, note, write

__all__ = ["ERASED", "Decision", "Run", "Writer", "decide", "marks_of", "note", "take_back", "write"]
