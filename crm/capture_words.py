"""The words of the hosted form in the languages it speaks. Visitors choose them; they have no account here."""

from __future__ import annotations

from typing import Final

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "title": "Contact us",
        "first_name": "First name",
        "last_name": "Last name",
        "email": "E-mail",
        "phone": "Phone",
        "organization": "Company",
        "message": "Message",
        "job": "Job title",
        "optional": "optional",
        "send": "Send",
        "trap": "Leave this empty",
        "thanks": "Thank you",
        "thanks_text": "We have received your message.",
        "wrong": "Please check what is marked.",
        "required": "Please fill this in.",
        "invalid": "Please check this.",
        "max_length": "This is too long.",
        "agree": "Please agree first.",
        "again": "This page was open for long. Please send it once more.",
        "closed": "This form cannot be used",
    },
    "de": {
        "title": "Kontakt",
        "first_name": "Vorname",
        "last_name": "Nachname",
        "email": "E-Mail",
        "phone": "Telefon",
        "organization": "Firma",
        "message": "Nachricht",
        "job": "Position",
        "optional": "freiwillig",
        "send": "Senden",
        "trap": "Bitte leer lassen",
        "thanks": "Vielen Dank",
        "thanks_text": "Ihre Nachricht ist bei uns angekommen.",
        "wrong": "Bitte prüfen Sie die markierten Felder.",
        "required": "Bitte füllen Sie dieses Feld aus.",
        "invalid": "Bitte prüfen Sie diese Angabe.",
        "max_length": "Diese Angabe ist zu lang.",
        "agree": "Bitte stimmen Sie zuerst zu.",
        "again": "Diese Seite war lange offen. Bitte senden Sie noch einmal.",
        "closed": "Dieses Formular ist nicht verfügbar",
    },
    "fr": {
        "title": "Contact",
        "first_name": "Prénom",
        "last_name": "Nom",
        "email": "E-mail",
        "phone": "Téléphone",
        "organization": "Entreprise",
        "message": "Message",
        "job": "Fonction",
        "optional": "facultatif",
        "send": "Envoyer",
        "trap": "Laissez ce champ vide",
        "thanks": "Merci",
        "thanks_text": "Nous avons bien reçu votre message.",
        "wrong": "Veuillez vérifier les champs indiqués.",
        "required": "Veuillez remplir ce champ.",
        "invalid": "Veuillez vérifier cette saisie.",
        "max_length": "Cette saisie est trop longue.",
        "agree": "Veuillez d’abord donner votre accord.",
        "again": "Cette page est restée ouverte longtemps. Veuillez envoyer encore une fois.",
        "closed": "Ce formulaire n’est pas disponible",
    },
}


def language_of(fixed: str, wanted: str, accepted: str) -> str:
    """The form's own language, else the one the address names, else the browser's first that is spoken here."""
    for language in (
        fixed,
        wanted,
        *(part.partition(";")[0].strip()[:2].lower() for part in accepted.split(",")),
    ):
        if language in WORDS:
            return language
    return "en"
