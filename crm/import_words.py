"""The texts of `crm.importing`, which is pure and speaks English, for the translators; see `crm.texts.told_again`."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_noop

LABELS: Final = (
    gettext_noop("UTF-16 (little-endian)"),
    gettext_noop("UTF-16 (big-endian)"),
    gettext_noop("Western European (Windows-1252)"),
    gettext_noop("Western European (Latin-1)"),
    gettext_noop("Central European (Windows-1250)"),
    gettext_noop("Cyrillic (Windows-1251)"),
    gettext_noop("Greek (Windows-1253)"),
    gettext_noop("Turkish (Windows-1254)"),
    gettext_noop("Japanese (Shift-JIS)"),
    gettext_noop("Chinese (GB 18030)"),
    gettext_noop("Chinese (Big5)"),
    gettext_noop("Korean (EUC-KR)"),
    gettext_noop("commas"),
    gettext_noop("semicolons"),
    gettext_noop("tabs"),
    gettext_noop("bars"),
    gettext_noop("Full name"),
    gettext_noop("Further e-mail"),
    gettext_noop("Mobile phone"),
    gettext_noop("External ID"),
    gettext_noop("Referrer"),
    gettext_noop("Landing page"),
    gettext_noop("UTM source"),
    gettext_noop("UTM medium"),
    gettext_noop("UTM campaign"),
    gettext_noop("UTM term"),
    gettext_noop("UTM content"),
    gettext_noop("Any table"),
    gettext_noop("HubSpot contacts"),
    gettext_noop("Pipedrive people or leads"),
    gettext_noop("Salesforce leads"),
    gettext_noop("LinkedIn Campaign Manager leads"),
)
# Why a file cannot be read, or a row was left out.
SENTENCES: Final = (
    gettext_noop("The file is empty."),
    gettext_noop("This is not a table. Save it as CSV or as Excel workbook (.xlsx), and upload that."),
    gettext_noop("Some way below row {number} are bytes that are not {encoding}. Choose another encoding."),
    gettext_noop("Row {number} cannot be read: {error}."),
    gettext_noop(
        "Row {number} goes on for more than {most} lines: a quotation mark in it is opened and not closed."
    ),
    gettext_noop("Row {number} has a quotation mark that is opened and never closed."),
    gettext_noop("Row {number} has {n} columns; {most} is the most. Delete those that nobody needs."),
    gettext_noop("Row {number} has {n} columns; {most} is the most."),
    gettext_noop("Row {number} has a cell of more than {most} characters."),
    gettext_noop("The file has more than {most} rows. Cut it into parts."),
    gettext_noop("The sheet has more than {most} rows. Cut it into parts."),
    gettext_noop("The file has a head, and no row below it."),
    gettext_noop(
        "The workbook is damaged, or is no workbook. Open it in a spreadsheet, and save it anew or as CSV."
    ),
    gettext_noop("This is an old Excel file (.xls). Save it as .xlsx or CSV, and upload that."),
    gettext_noop("The workbook is larger than it looks: unpacked, over 400 MB. Save it as CSV."),
    gettext_noop("The workbook holds more different texts than fit. Save it as CSV."),
    gettext_noop("The workbook has no sheet with rows."),
    gettext_noop("The row names nobody: no name, no e-mail."),
    gettext_noop("At most {most} characters fit; it has {n}."),
    gettext_noop("The company has no {noun} of this name."),
    gettext_noop("A phone number has digits."),
    gettext_noop("Enter an address such as example.com."),
    gettext_noop("The country is not known. Write its English name, or its code, such as DE."),
    gettext_noop("A tag has at most 60 characters."),
    gettext_noop("Write granted (or yes), denied (or no), or unknown."),
    gettext_noop("Write the day as 2026-11-20, or as 20.11.2026."),
    gettext_noop("Write the time as 14:05."),
    gettext_noop("There is no such day or time."),
    gettext_noop("A fault of ours, somewhere below row {row}. The server's log has it."),
)
