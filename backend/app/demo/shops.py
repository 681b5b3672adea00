"""Who the demo shops are: addresses, opening hours, teams, rewards and how busy they get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class ShopReward:
    """A reward of a store's programme. picture: a symbol of the icon sprite. others: title and text by language."""

    kind: str
    threshold: int
    title: str
    text: str
    picture: str
    others: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Person:
    """Somebody at the till."""

    name: str
    role: str


@dataclass(frozen=True)
class Crowd:
    """How many people come and how often.

    rates: visits a week of (loyal, regular, occasional) customers; lost ones stop after a while.
    weekdays and hours: how busy, as weights. amount: median and spread (log-normal) of a purchase, or None.
    cents: what prices end on.
    """

    cards: int
    rates: tuple[float, float, float]
    weekdays: tuple[float, ...]
    hours: Mapping[int, float]
    amount: tuple[float, float] | None = None
    cents: tuple[int, ...] = (0, 50)


@dataclass(frozen=True)
class Shop:
    """A store of the demo. words: what its card says, by language and place in the design."""

    name: str
    loyalty_type: str
    address: str
    place: tuple[float, float]
    hours: Mapping[str, tuple[tuple[str, str], ...]]
    icon: str
    rewards: tuple[ShopReward, ...]
    team: tuple[Person, ...]
    crowd: Crowd
    till: str = "Till"
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def stamps_needed(self) -> int:
        """Return the highest stamp reward, or the programme's default where it counts none."""
        return max((reward.threshold for reward in self.rewards if reward.kind == "stamps"), default=10)


@dataclass(frozen=True)
class Business:
    """A merchant of the demo. shared: the share of customers who also hold a card of the next store."""

    name: str
    email: str
    palette: str
    shops: tuple[Shop, ...]
    shared: float = 0.0


def _week(
    weekday: tuple[str, str], saturday: tuple[str, str], sunday: tuple[str, str] | None = None
) -> dict[str, tuple[tuple[str, str], ...]]:
    hours: dict[str, tuple[tuple[str, str], ...]] = {day: (weekday,) for day in WEEKDAYS[:5]}
    hours["sat"] = (saturday,)
    return hours | ({"sun": (sunday,)} if sunday else {})


_COFFEE_HOURS = {6: 3.0, 7: 9, 8: 10, 9: 6, 10: 4, 11: 4, 12: 7, 13: 6, 14: 3, 15: 4, 16: 5, 17: 4, 18: 2}
_LUNCH_HOURS = {7: 5.0, 8: 7, 9: 4, 10: 3, 11: 6, 12: 14, 13: 12, 14: 4, 15: 3, 16: 3, 17: 3}
_FASHION_HOURS = {10: 3.0, 11: 5, 12: 6, 13: 5, 14: 7, 15: 8, 16: 9, 17: 9, 18: 5}


def _off(points: int, euros: int) -> ShopReward:
    """Return a voucher for points."""
    others = {
        "fr": (f"{euros} € de remise", "Sur tout achat, soldes compris."),
        "de": (f"{euros} € Rabatt", "Auf jeden Einkauf, auch im Schlussverkauf."),
        "lb": (f"{euros} € Remise", "Op all Akaf, och an de Solden."),
    }
    text = "On any purchase, sale items included."
    return ShopReward("points", points, f"€{euros} off", text, "gift", others)


GARE_WORDS = {
    "en": {
        "about": "Beans roasted in Luxembourg, ten steps from platform 1. The tenth coffee is on us.",
        "contact": "Mon to Fri 6.30 to 19.00, Sat 7.30 to 18.00, Sun 8.00 to 13.00\n12, place de la Gare",
        "terms": "One stamp for each hot drink. The card is free and cannot be exchanged for money.",
    },
    "fr": {
        "about": "Du café torréfié au Luxembourg, à dix pas du quai 1. Le dixième est pour nous.",
        "contact": "Lu à ve 6h30 à 19h00, sa 7h30 à 18h00, di 8h00 à 13h00\n12, place de la Gare",
        "terms": "Un tampon par boisson chaude. La carte est gratuite et ne peut être échangée contre de l’argent.",
    },
    "de": {
        "about": "In Luxemburg geröstet, zehn Schritte von Gleis 1. Der zehnte Kaffee geht auf uns.",
        "contact": "Mo bis Fr 6.30 bis 19.00, Sa 7.30 bis 18.00, So 8.00 bis 13.00\n12, place de la Gare",
        "terms": "Ein Stempel je Heißgetränk. Die Karte ist kostenlos und wird nicht in Geld ausgezahlt.",
    },
    "lb": {
        "about": "Zu Lëtzebuerg geréischtert, zéng Schrëtt vum Quai 1. Den zéngte Kaffi geet op eis.",
        "contact": "Méi bis Fr 6.30 bis 19.00, Sa 7.30 bis 18.00, So 8.00 bis 13.00\n12, place de la Gare",
        "terms": "Ee Stempel fir all waarmt Gedrénks. D’Kaart ass gratis a gëtt net a Geld ausbezuelt.",
    },
}

GARE = Shop(
    name="CoffeeLux Gare",
    loyalty_type="stamps",
    address="12, place de la Gare, L-1616 Luxembourg",
    place=(49.5999, 6.1342),
    hours=_week(("06:30", "19:00"), ("07:30", "18:00"), ("08:00", "13:00")),
    icon="coffee",
    rewards=(
        ShopReward(
            "stamps",
            10,
            "A coffee on the house",
            "Any hot drink, any size, with oat milk too.",
            "coffee",
            {
                "fr": (
                    "Un café offert",
                    "La boisson chaude de votre choix, toutes tailles, lait d’avoine compris.",
                ),
                "de": ("Ein Kaffee aufs Haus", "Jedes Heißgetränk, jede Größe, auch mit Hafermilch."),
                "lb": ("E Kaffi op d’Haus", "All waarmt Gedrénks, all Gréisst, och mat Huewermëllech."),
            },
        ),
    ),
    team=(
        Person("Marie Hoffmann", "manager"),
        Person("João Ferreira", "cashier"),
        Person("Léa Thill", "cashier"),
        Person("Tom Schmit", "cashier"),
    ),
    crowd=Crowd(190, (3.2, 1.3, 0.35), (9, 9, 9, 9, 10, 6, 3), _COFFEE_HOURS),
    till="Bar tablet",
    words=GARE_WORDS,
)

KIRCHBERG = Shop(
    name="CoffeeLux Kirchberg",
    loyalty_type="hybrid",
    address="43, avenue John F. Kennedy, L-1855 Luxembourg",
    place=(49.6316, 6.1713),
    hours=_week(("07:00", "18:00"), ("09:00", "17:00")),
    icon="cup",
    rewards=(
        ShopReward(
            "stamps",
            10,
            "A coffee on the house",
            "Any hot drink, any size.",
            "cup",
            {
                "fr": ("Un café offert", "La boisson chaude de votre choix, toutes tailles."),
                "de": ("Ein Kaffee aufs Haus", "Jedes Heißgetränk, jede Größe."),
                "lb": ("E Kaffi op d’Haus", "All waarmt Gedrénks, all Gréisst."),
            },
        ),
        ShopReward(
            "points",
            150,
            "Breakfast for one",
            "Croissant, orange juice and a hot drink.",
            "bread",
            {
                "fr": ("Un petit-déjeuner", "Un croissant, un jus d’orange et une boisson chaude."),
                "de": ("Ein Frühstück", "Croissant, Orangensaft und ein Heißgetränk."),
                "lb": ("E Kaffisdësch fir eng Persoun", "Croissant, Orangëjus an eppes Waarmes ze drénken."),
            },
        ),
    ),
    team=(
        Person("Marie Hoffmann", "manager"),
        Person("Inês Carvalho", "cashier"),
        Person("Luc Reuter", "cashier"),
    ),
    crowd=Crowd(
        150, (2.8, 1.1, 0.3), (9, 10, 10, 10, 7, 2, 0), _LUNCH_HOURS, (8.4, 0.45), (0, 20, 40, 50, 60, 80, 90)
    ),
    till="Counter phone",
)

MODE = Shop(
    name="Mode Avenue",
    loyalty_type="points",
    address="27, Grand-Rue, L-1661 Luxembourg",
    place=(49.6117, 6.1291),
    hours={"mon": (("13:00", "18:30"),)}
    | {day: (("10:00", "18:30"),) for day in WEEKDAYS[1:5]}
    | {"sat": (("10:00", "19:00"),)},
    icon="shirt",
    rewards=(
        _off(100, 5),
        _off(250, 15),
        ShopReward(
            "points",
            500,
            "€40 off",
            "And a look behind the scenes of the new collection.",
            "diamond",
            {
                "fr": ("40 € de remise", "Et un regard dans les coulisses de la nouvelle collection."),
                "de": ("40 € Rabatt", "Und ein Blick hinter die Kulissen der neuen Kollektion."),
                "lb": ("40 € Remise", "An e Bléck hannert d’Kulisse vun der neier Kollektioun."),
            },
        ),
    ),
    team=(
        Person("Nadine Wagner", "manager"),
        Person("Chloé Lambert", "cashier"),
        Person("Emily Clarke", "cashier"),
    ),
    crowd=Crowd(
        130,
        (0.6, 0.25, 0.08),
        (4, 6, 6, 7, 9, 14, 0),
        _FASHION_HOURS,
        (58.0, 0.65),
        (0, 0, 50, 90, 90, 95, 99),
    ),
    till="Cash desk",
)

BUSINESSES = (
    Business("CoffeeLux", "owner@coffeelux.example", "forest", (GARE, KIRCHBERG), shared=0.12),
    Business("Mode Avenue", "owner@modeavenue.example", "plum", (MODE,)),
)

# How busy the months are: Luxembourg is away in August and shops in December.
COFFEE_MONTHS = (0.95, 1.0, 1.0, 0.95, 1.0, 1.0, 0.85, 0.6, 1.05, 1.1, 1.1, 1.05)
FASHION_MONTHS = (1.25, 0.8, 0.9, 1.0, 1.0, 1.1, 1.2, 0.7, 1.05, 1.0, 1.15, 1.7)
CLOSED_DAYS = ((1, 1), (12, 25), (12, 26))


def month_weight(shop: Shop, month: int) -> float:
    """Return how busy a month (1 to 12) is against the year's ordinary one."""
    months = FASHION_MONTHS if shop.loyalty_type == "points" else COFFEE_MONTHS
    return months[month - 1]
