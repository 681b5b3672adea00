"""Names as one meets them in Luxembourg, and what a customer told when joining."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass
from datetime import date


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(","))


# By the language that the card speaks; Portuguese names mostly come with French, as in the country.
FIRST_NAMES = {
    "lb": _split(
        """
        Anne, Claude, Danielle, Fränz, Georges, Jang, Josiane, Kim, Lynn, Mario, Max, Mett, Michèle,
        Nico, Pit, Romain, Sam, Sandy, Simone, Tania, Tessy, Tun, Viviane, Yves
        """
    ),
    "fr": _split(
        """
        Amélie, Antoine, Aurélie, Benoît, Camille, Céline, Clément, Élodie, François, Hélène, Inès,
        Jérôme, Julien, Laurent, Léa, Manon, Mathieu, Nathalie, Noémie, Olivier, Sophie
        """
    ),
    "pt": _split(
        """
        Ana, António, Beatriz, Bruno, Carla, Catarina, Diogo, Filipa, Hugo, Joana, José, Luís, Mafalda,
        Manuel, Mariana, Miguel, Nuno, Patrícia, Pedro, Rita, Sofia, Tiago
        """
    ),
    "de": _split(
        """
        Anja, Birgit, Christian, Daniela, Felix, Franziska, Hannah, Jörg, Jürgen, Katharina, Lukas,
        Markus, Miriam, Sabine, Stefan, Svenja, Thomas, Ute, Uwe, Wolfgang
        """
    ),
    "en": _split(
        """
        Alice, Andrew, Charlotte, Daniel, Emma, Fiona, George, Hannah, Jack, James, Kate, Liam, Olivia,
        Priya, Rachel, Ravi, Sarah, Sean, William, Zoe
        """
    ),
}
LAST_NAMES = {
    "lb": _split(
        """
        Becker, Biver, Faber, Feltes, Hansen, Hengen, Hoffmann, Kayser, Kieffer, Klein, Majerus, Meyers,
        Muller, Pauly, Reding, Reuter, Schiltz, Schmit, Schroeder, Steffen, Thill, Thinnes, Wagner,
        Weber, Weis, Welter
        """
    ),
    "fr": _split(
        """
        Bernard, Blanc, Bonnet, Chevalier, Dubois, Dupont, Durand, Fontaine, Gauthier, Girard, Lambert,
        Lefèvre, Leroy, Marchand, Mercier, Moreau, Noël, Perrin, Rousseau, Vincent
        """
    ),
    "pt": _split(
        """
        Almeida, Carvalho, Costa, da Silva, Dias, dos Santos, Fernandes, Ferreira, Gomes, Lopes,
        Marques, Martins, Oliveira, Pereira, Pinto, Ribeiro, Rodrigues, Sousa, Teixeira
        """
    ),
    "de": _split(
        """
        Bauer, Fischer, Fuchs, Hartmann, Kaiser, Köhler, Krämer, Lang, Neumann, Richter, Scholz,
        Schäfer, Schulz, Vogel, Walter, Winkler, Zimmermann
        """
    ),
    "en": _split(
        """
        Brown, Byrne, Carter, Clarke, Evans, Hughes, Johnson, Kelly, Murphy, O'Connor, Patel, Roberts,
        Shaw, Singh, Taylor, Walsh, Wilson, Wright
        """
    ),
}
ORIGINS = (("lb", 28), ("fr", 27), ("pt", 20), ("de", 12), ("en", 13))
LOCALES = {
    "lb": (("lb", 7), ("fr", 2), ("de", 1)),
    "fr": (("fr", 19), ("en", 1)),
    "pt": (("fr", 7), ("lb", 1), ("en", 2)),
    "de": (("de", 9), ("en", 1)),
    "en": (("en", 1),),
}
MAIL_HOSTS = ("mail.example", "post.example", "pt.example", "inbox.example")
MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True)
class DemoCustomer:
    """What somebody told when joining; nothing is required, and some told nothing."""

    name: str | None
    email: str | None
    is_verified: bool
    has_consented: bool
    phone: str | None
    locale: str
    birthday: tuple[int, int, int | None] | None


def choose(rng: random.Random, weighted: tuple[tuple[str, int], ...]) -> str:
    """Return one of the values by its weight."""
    return rng.choices([value for value, _ in weighted], [weight for _, weight in weighted])[0]


def make_customer(rng: random.Random, *, taken: set[str], today: date) -> DemoCustomer:
    """Make one person; addresses in `taken` are not given again, and the new one is added to it."""
    origin = choose(rng, ORIGINS)
    first, last = rng.choice(FIRST_NAMES[origin]), rng.choice(LAST_NAMES[origin])
    locale = choose(rng, LOCALES[origin])
    email = _email(rng, first, last, taken) if rng.random() < 0.68 else None
    phone = (
        f"+352{rng.choice((621, 661, 691))}{rng.randrange(100_000, 999_999)}" if rng.random() < 0.22 else None
    )
    month = rng.randrange(1, 13)
    day = rng.randrange(1, MONTH_DAYS[month - 1] + 1)
    year = today.year - rng.randrange(18, 75) if rng.random() < 0.5 else None
    has_birthday = rng.random() < 0.38
    name = f"{first} {last}" if rng.random() < 0.7 else first
    return DemoCustomer(
        name=name if email or rng.random() < 0.75 else None,
        email=email,
        is_verified=email is not None and rng.random() < 0.72,
        has_consented=email is not None and rng.random() < 0.62,
        phone=phone,
        locale=locale,
        birthday=(day, month, year) if has_birthday else None,
    )


def _email(rng: random.Random, first: str, last: str, taken: set[str]) -> str:
    joined = f"{first}.{last}".lower().replace(" ", "").replace("'", "")
    plain = unicodedata.normalize("NFKD", joined).encode("ascii", "ignore").decode()
    number = ""
    host = rng.choice(MAIL_HOSTS)
    while (address := f"{plain}{number}@{host}") in taken:
        number = str(rng.randrange(2, 99))
    taken.add(address)
    return address
