"""The closed lists of the link search: its stages, in order, and the reasons of links.

``core.link_stage`` and ``core.link_reason`` hold the same in the database; a test compares them, the
messages and the value lists of the layers.
"""

from __future__ import annotations

from typing import Final

# Stage and the group in which it counts: the first group that decides settles an enterprise.
STAGES: Final[dict[str, int]] = {
    "decision": 0,
    "right_code": 1,
    "lease_code": 1,
    "registry_parcel": 2,
    "registry_certificate": 2,
    "account": 5,
    "footprint_drawn": 6,
    "footprint_overlap": 7,
    "right_name": 8,
    "lease_name": 9,
    "past_link": 10,
    "address": 11,
    "point": 12,
    "name_similar": 13,
}

REASONS: Final = (
    "decided_by_person",
    "right_holder_code",
    "lessee_code",
    "registry_parcel_code",
    "registry_certificate_no",
    "account_parcel",
    "largest_drawing",
    "smaller_drawing",
    "largest_building",
    "smaller_building",
    "right_holder_name",
    "lessee_name",
    "former_name",
    "name_alias",
    "name_alone",
    "name_not_unique",
    "person_name",
    "past_link",
    "address_equal",
    "address_not_unique",
    "address_road",
    "address_park",
    "point_inside",
    "point_near",
    "point_tied",
    "point_beside",
    "name_sounds_alike",
    "name_one_character",
    "parent_company",
    "successor_unclear",
    "code_and_name_differ",
    "contradicted",
)

# What a score is made of: the evidence itself, and what agrees with it or not.
PARTS: Final = (
    "evidence",
    "township_agrees",
    "township_likely",
    "township_differs",
    "address_equal",
    "address_road",
    "address_differs",
    "address_elsewhere",
    "point_inside",
    "point_near",
    "point_far",
    "road_passes",
    "road_similar",
    "name_agrees",
    "name_incomplete",
    "lease_ended",
)

# What an enterprise lacks that would have placed it, in the order in which it is asked for.
MISSING: Final = (
    "credit_code",
    "parcel_code",
    "certificate_no",
    "address",
    "address_not_understood",
    "address_number",
    "township",
    "point",
)
