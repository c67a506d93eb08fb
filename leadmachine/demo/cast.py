"""The words of the sample company: who works there, who might buy, what they say. All of it invented."""

from __future__ import annotations

from dataclasses import dataclass

from crm.models import Role


@dataclass(frozen=True)
class Colleague:
    """Somebody who works at the sample company."""

    email: str
    first_name: str
    last_name: str
    role: Role


@dataclass(frozen=True)
class Firm:
    """A customer of the sample company."""

    name: str
    domain: str
    country: str


@dataclass(frozen=True)
class Someone:
    """A person with a place in the opening scene, rather than made from the lists of names."""

    first_name: str
    last_name: str
    title: str
    firm: str


@dataclass(frozen=True)
class Door:
    """A way leads come in. Shares and chances are from 0 to 1."""

    source: str
    lead_type: str
    share: float
    click_id: float = 0.0
    granted: float = 0.0
    denied: float = 0.0
    medium: str = ""
    consent_source: str = ""


def _words(text: str) -> list[str]:
    return text.split()


COMPANIES = (
    "Halden Systems",
    "Brightmoor Analytics",
    "Castell & Roe",
    "Norrsken Robotics",
    "Pelican Harbour",
)
DEMO_DOMAIN = "halden.example"
COLLEAGUES = (
    Colleague(f"demo@{DEMO_DOMAIN}", "Sara", "Brandt", Role.OWNER),
    Colleague(f"jonas.lindqvist@{DEMO_DOMAIN}", "Jonas", "Lindqvist", Role.AGENT),
    Colleague(f"priya.raman@{DEMO_DOMAIN}", "Priya", "Raman", Role.MANAGER),
    Colleague(f"emilia.nowak@{DEMO_DOMAIN}", "Emilia", "Nowak", Role.AGENT),
)

DOORS = (
    Door("LinkedIn form", "demo-request", 0.24, 0.9, 0.97, 0.0, "paid-social", "LinkedIn form"),
    Door("LinkedIn ad", "trial", 0.16, 0.85, 0.8, 0.05, "paid-social", "Web form"),
    Door("Web form", "contact-form", 0.2, 0.15, 0.75, 0.06, "organic", "Web form"),
    Door("Guide download", "download", 0.12, 0.3, 0.7, 0.08, "content", "Web form"),
    Door("LogiMAT 2026", "event", 0.08, 0.0, 0.5, 0.05, "", "Badge scan"),
    Door("Webinar", "event", 0.07, 0.25, 0.8, 0.05, "email", "Webinar sign-up"),
    Door("Partner referral", "referral", 0.07, 0.0, 0.1, 0.0, "", "Partner"),
    Door("Outbound", "cold-outreach", 0.06, 0.0, 0.0, 0.1, "", "E-mail reply"),
)
CAMPAIGNS = (
    "DACH · Intralogistics managers · Q4 demo",
    "Nordics · Cold-chain ops leaders · Q4 lead gen",
    "Benelux · Warehouse directors · Retargeting",
    "UK & IE · Fulfilment heads · Guide",
    "US · Distribution VPs · Always on",
)
PAGES = (
    "/demo",
    "/pricing",
    "/guides/dock-scheduling",
    "/products/slotting",
    "/customers/fjordline",
    "/contact",
)

# Who is met in the opening scene, newest first.
GUESTS = (
    Someone("Annika", "Sørensen", "Head of Logistics", "Fjordline Freight"),
    Someone(
        "Bartholomew",
        "Featherstonehaugh-Ravensworth",
        "Senior Director, Global Supply Chain Transformation & Continuous Improvement",
        "Ravensworth & Daughters Cold Storage Holdings (Europe) B.V.",
    ),
    Someone("Mei-Ling", "Zhao", "Chief Operating Officer", "Pacific Crate Co."),
    Someone("Tomás", "Rivera Aguilar", "", "Grupo Alameda"),
    Someone("Ngozi", "Okafor", "VP Operations", "Lagos Cold Chain"),
    Someone("Olivier", "Dubreuil", "Responsable d’entrepôt", "Dubreuil & Fils Transport"),
    Someone("Katarzyna", "Wiśniewska", "Dyrektor ds. łańcucha dostaw", "Bałtyk Terminal S.A."),
    Someone("Henrik", "Vestergaard", "Warehouse Systems Lead", "Nordhavn Parcel"),
    Someone("Yuki", "Tanabe", "Automation Programme Owner", "Tanabe Precision Works"),
    Someone("Fatima", "El-Amrani", "Directrice des opérations", "Atlas Fresh Export"),
    Someone("Gregor", "Steinbacher", "Leiter Intralogistik", "Steinbacher Getränke GmbH & Co. KG"),
    Someone("Deirdre", "Walsh", "Head of Fulfilment", "Greenfield Botanicals"),
    Someone("James", "O’Connell", "Procurement Manager", "Shannon Dairy Logistics"),
    Someone("Femke", "Hendriks", "Returns Manager", "Maasvlakte Returns"),
)

# `.example` and `.test` can belong to nobody, so nothing here can ever reach a person.
FIRMS = (
    Firm("Fjordline Freight", "fjordline-freight.example", "NO"),
    Firm(
        "Ravensworth & Daughters Cold Storage Holdings (Europe) B.V.", "ravensworth-coldstorage.example", "NL"
    ),
    Firm("Pacific Crate Co.", "pacificcrate.example", "US"),
    Firm("Grupo Alameda", "alameda.example", "MX"),
    Firm("Lagos Cold Chain", "lagoscoldchain.example", "NG"),
    Firm("Dubreuil & Fils Transport", "dubreuil-transport.example", "FR"),
    Firm("Bałtyk Terminal S.A.", "baltyk-terminal.example", "PL"),
    Firm("Nordhavn Parcel", "nordhavnparcel.example", "DK"),
    Firm("Tanabe Precision Works", "tanabe-pw.example", "JP"),
    Firm("Atlas Fresh Export", "atlasfresh.example", "MA"),
    Firm("Steinbacher Getränke GmbH & Co. KG", "steinbacher-getraenke.example", "DE"),
    Firm("Greenfield Botanicals", "greenfieldbotanicals.example", "IE"),
    Firm("Shannon Dairy Logistics", "shannondairy.example", "IE"),
    Firm("Oldenburger Kühlhaus AG", "oldenburger-kuehlhaus.example", "DE"),
    Firm("Rheintal Spedition", "rheintal-spedition.example", "DE"),
    Firm("Hanseatic Spare Parts", "hanseatic-parts.example", "DE"),
    Firm("Isarwerk Verpackung", "isarwerk.example", "DE"),
    Firm("Almblick Molkerei", "almblick.example", "AT"),
    Firm("Zentralschweiz Pharma Logistik", "zsp-logistik.example", "CH"),
    Firm("Lac Léman Distribution", "lacleman.example", "CH"),
    Firm("Vänern Timber", "vanern-timber.example", "SE"),
    Firm("Mälaren Retail Supply", "malarensupply.example", "SE"),
    Firm("Tampere Tools Oy", "tamperetools.example", "FI"),
    Firm("Øresund Wholesale", "oresundwholesale.example", "DK"),
    Firm("Bergen Seafood Terminal", "bergen-seafood.example", "NO"),
    Firm("Van der Meulen Bloemen", "vdmeulen-bloemen.example", "NL"),
    Firm("Maasvlakte Returns", "maasvlaktereturns.example", "NL"),
    Firm("Antwerp Bonded Stores", "antwerpbonded.example", "BE"),
    Firm("Brasserie du Nord Logistique", "brasserienord.example", "FR"),
    Firm("Garonne Aéro Pièces", "garonne-aero.example", "FR"),
    Firm("Cadenza Foods", "cadenzafoods.example", "IT"),
    Firm("Officine Lombarde", "officinelombarde.example", "IT"),
    Firm("Ebro Cítricos", "ebrocitricos.example", "ES"),
    Firm("Porto Cortiça", "portocortica.example", "PT"),
    Firm("Moravia Glass Works", "moraviaglass.example", "CZ"),
    Firm("Silesia Auto Parts", "silesiaauto.example", "PL"),
    Firm("Pennine Home Delivery", "penninehome.example", "GB"),
    Firm("Thames Gateway Storage", "thamesgateway.example", "GB"),
    Firm("Caledonian Spirits Bonded", "caledonianbonded.example", "GB"),
    Firm("Great Lakes Fulfillment", "greatlakesff.example", "US"),
    Firm("Bluebonnet Grocers", "bluebonnetgrocers.example", "US"),
    Firm("Cascade Outdoor Supply", "cascadeoutdoor.example", "US"),
    Firm("Harbourfront Imports", "harbourfrontimports.example", "CA"),
    Firm("Southern Cross Vintners", "southerncrossvintners.example", "AU"),
    Firm("Marina Bay Components", "marinabaycomponents.example", "SG"),
    Firm("Deccan Textiles", "deccantextiles.example", "IN"),
)
PLACES = _words(
    "Aalborg Bremen Bilbao Bologna Brno Bristol Cork Dresden Eindhoven Esbjerg Gdynia Ghent Graz Halmstad Kassel "
    "Leeds Lille Linz Lyon Malmö Mannheim Nantes Oulu Padua Poznań Rostock Rotterdam Trieste Turku Utrecht "
    "Valencia Vejle Verona Växjö Zwolle"
)
TRADES = (
    "Cold Storage",
    "Parcel Hub",
    "Bakery Supply",
    "Building Materials",
    "Pharma Logistics",
    "Spare Parts",
    "Beverages",
    "Furniture Delivery",
    "Fresh Produce",
    "Contract Logistics",
    "Paper & Board",
    "Garden Centres",
)
_COUNTRIES_OF_PLACES = _words(
    "DK DE ES IT CZ GB IE DE NL DK PL BE AT SE DE GB FR AT FR SE DE FR FI IT PL DE NL IT FI NL ES DK IT SE NL"
)
PLACE_COUNTRY = dict(zip(PLACES, _COUNTRIES_OF_PLACES, strict=True))

# First names and last names, by the countries that use them.
_NORDIC = (
    "Ingrid Lars Freja Mikkel Astrid Erik Sofie Magnus Linnea Oskar Maja Henrik Elin Anders Signe Nils",
    (
        "Hansen Lindgren Nyström Kristoffersen Bergqvist Dahl Holm Lindberg Østergaard Sandvik Virtanen Aalto Lund "
        "Ekström Haugen Mortensen"
    ),
)
_GERMAN = (
    "Katrin Stefan Anja Matthias Birgit Jürgen Sabine Tobias Heike Florian Miriam Uwe Leonie Christoph Nadine Ralf",
    (
        "Brückner Hoffmann Vogel Weidner Krämer Lorenz Schuster Baumgartner Fiedler Kessler Pfeiffer Reuter Seidel "
        "Thalmann Voss Zeller"
    ),
)
_DUTCH = (
    "Femke Bram Sanne Jeroen Lotte Pieter Marieke Ruben Anouk Thijs Eva Wouter",
    "de Vries|van Dijk|Bakker|Janssens|Peeters|Mulder|van den Berg|Claes|Hendriks|Smits|Visser|Maes",
)
_FRENCH = (
    "Camille Julien Élodie Mathieu Chloé Nicolas Aurélie Thomas Manon Hugo Sandrine Vincent",
    "Lefèvre Moreau Garnier Chevalier Rousseau Fontaine Mercier Blanchard Perrin Renaud Marchand Gauthier",
)
_SOUTHERN = (
    "Giulia Marco Lucía Javier Chiara Diego Marta Paolo Inês Rui Elena Andrés Sofia Matteo Carmen Luís",
    (
        "Ferrari Romano Navarro Ortega Conti Marchetti Iglesias Santoro Almeida Ferreira Vidal Galli Molina Pires"
    ),
)
_SLAVIC = (
    "Agnieszka Piotr Magdalena Tomasz Zuzana Petr Joanna Marek Kateřina Jakub Ewa Paweł",
    "Kowalczyk Zieliński Nováková Dvořák Wójcik Lewandowski Svobodová Kamiński Procházka Mazur Jabłońska Černý",
)
_ENGLISH = (
    "Grace Oliver Hannah Callum Aoife Declan Emily Marcus Olivia Nathan Siobhán Jamal Chloe Darren Alicia Trevor",
    (
        "Whitaker O’Connell Hargreaves Murphy Donnelly Prescott Ashworth Brennan McAllister Coleman Sinclair Reyes"
    ),
)
_ASIAN = (
    "Aarav Mei Haruto Ananya Wei Sakura Rohan Li Na Kavya Jun Priyanka",
    "Sharma Tan Sato Iyer Lim Kobayashi Nair Wong Chen Reddy Ito Goh",
)
_NAMES = {
    "NO SE DK FI": _NORDIC,
    "DE AT CH": _GERMAN,
    "NL BE": _DUTCH,
    "FR MA": _FRENCH,
    "IT ES PT MX": _SOUTHERN,
    "PL CZ": _SLAVIC,
    "GB IE US CA AU NG": _ENGLISH,
    "JP SG IN": _ASIAN,
}
FIRST_NAMES = {country: first.split() for codes, (first, _) in _NAMES.items() for country in codes.split()}
LAST_NAMES = {
    country: last.split("|") if "|" in last else last.split()
    for codes, (_, last) in _NAMES.items()
    for country in codes.split()
}
DIALLING = {
    "NO": "47", "SE": "46", "DK": "45", "FI": "358", "DE": "49", "AT": "43", "CH": "41", "NL": "31", "BE": "32",
    "FR": "33", "MA": "212", "IT": "39", "ES": "34", "PT": "351", "MX": "52", "PL": "48", "CZ": "420", "GB": "44",
    "IE": "353", "US": "1", "CA": "1", "AU": "61", "NG": "234", "JP": "81", "SG": "65", "IN": "91",
}  # fmt: skip
CURRENCY = {"US": "USD", "CA": "USD", "MX": "USD", "NG": "USD", "JP": "USD", "SG": "USD", "GB": "GBP"}

TITLES = (
    "Head of Logistics",
    "Warehouse Manager",
    "VP Operations",
    "Supply Chain Director",
    "Procurement Manager",
    "Operations Manager",
    "Head of Fulfilment",
    "Automation Lead",
    "Distribution Centre Manager",
    "Chief Operating Officer",
    "Transport Planner",
    "Continuous Improvement Manager",
    "IT Project Manager",
    "Plant Manager",
    "Managing Director",
    "Inbound Team Lead",
    "",
)
TAGS = ("hot lead", "follow up", "vip", "newsletter", "warm")
OFFERS = (
    "Dock scheduling",
    "Pick-to-light trial",
    "Returns lane automation",
    "Yard management",
    "Cold room slotting",
    "Parcel sorter upgrade",
    "Bottle line buffer",
    "Traceability add-on",
    "Milk run planning",
    "Label printing",
    "Cross-dock control tower",
    "Cycle counting by drone",
    "Carrier portal",
    "Multi-site rollout, phase one",
    "Shift planning",
    "Pallet tracking pilot",
)
NEXT_STEPS = (
    "Send revised quote",
    "Call about the site visit",
    "Workshop with the warehouse team",
    "Contract draft to legal",
    "Demo for the CFO",
    "Reference call with a customer",
    "Send scope for the trial",
)
LOST_REASONS = (
    "Chose another supplier",
    "No budget this year",
    "Project postponed",
    "Price",
    "Missing integration with their ERP",
    "No reply after the quote",
)
ROLES = ("Decision maker", "Finance", "Technical evaluator", "User")
# By kind of activity. {first} and {firm} are filled in.
SAYINGS = {
    "note": (
        "{first} wants to start with one site and see numbers after eight weeks.",
        "Uses spreadsheets and phone today. Two people plan docks full time.",
        "{firm} has a budget round in January. Needs a one-page business case before that.",
        "Decision is with the CFO; {first} will introduce us next week.",
        "Compared us with two others. Likes that we need no hardware at the dock.",
        "Asked for a price without the yard module and a start before Easter.",
        "Peak season until mid December: no calls before ten in the morning.",
    ),
    "call": (
        "Talked for 20 minutes. {first} is interested, wants a demo with the shift leads.",
        "No answer, left a message.",
        "{first} called back: the board is fine with the scope, the price is still open.",
        "Short call. The project at {firm} moves to next quarter.",
        "Went through the questions of their IT department; single sign-on is a must.",
    ),
    "meeting": (
        "Demo with {first} and two shift leads. They want to try it on one dock.",
        "Site visit at {firm}: six docks, two shifts, about 140 trucks a day.",
        "Workshop on the integration. Their ERP can export orders every five minutes.",
    ),
    "email": (
        "Sent the quote, revision 2.",
        "{first} confirmed the demo by e-mail.",
        "Sent the security questionnaire back.",
        "{first} asked for a customer reference in their country.",
    ),
}
