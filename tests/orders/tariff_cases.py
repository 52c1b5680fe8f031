"""What must a session cost by OCPI's rules? Every amount was worked out by hand, from the rule beside it.

A case is (tariff, begin on the local clock, facts, amounts before tax). Facts follow each other: `6/60` is 6 kWh in 60
minutes of charging, `@16` with 16 A, `idle 42`, `reserved 15` and `expired 60` are minutes. Prices are rupees, per kWh
and per hour. Where OCPI's own examples are used their euros are rupees here, sometimes a hundred times as many.
"""

from __future__ import annotations

from typing import Any

Element = dict[str, Any]
Case = tuple[str, str, str, str]


def el(*prices: str, **restrictions: Any) -> Element:
    """An element: `E 14` per kWh, `F 20` per session, `T 60` per charging hour, `P 90` per standing hour.

    `E 14/500` has a step of 500, `P 60/1+600` also a grace of 600 s.
    """
    names = {"E": "ENERGY", "F": "FLAT", "T": "TIME", "P": "PARKING_TIME"}
    components = []
    for text in prices:
        kind, _, rest = text.partition(" ")
        price, _, step = rest.partition("/")
        step, _, grace = step.partition("+")
        component: dict[str, Any] = {"type": names[kind], "price": price, "step_size": int(step or 1)}
        components.append(component | ({"grace": int(grace)} if grace else {}))
    return {"price_components": components} | ({"restrictions": restrictions} if restrictions else {})


DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
WEEKDAYS, WEEKEND = DAYS[:5], DAYS[5:]

TARIFFS: dict[str, list[Element]] = {
    "day": [el("E 14", start_time="09:00", end_time="16:00"), el("E 18", "F 20")],
    "night": [el("E 9", start_time="23:00", end_time="06:00"), el("E 12")],
    "late": [el("E 7", start_time="20:00", end_time="00:00"), el("E 8")],
    "until eight": [el("E 7", end_time="08:00"), el("E 8")],
    "from twenty": [el("E 7", start_time="20:00"), el("E 8")],
    "six to six": [el("E 7", start_time="06:00", end_time="06:00"), el("E 8")],
    "weekend": [el("E 10", day_of_week=WEEKEND), el("E 12")],
    "week": [el(f"E {number}", day_of_week=[day]) for number, day in enumerate(DAYS, 1)],
    "festival": [el("E 5", start_date="2026-02-01", end_date="2026-02-03"), el("E 12")],
    "since": [el("E 5", start_date="2026-02-01"), el("E 12")],
    "until": [el("E 5", end_date="2026-02-03"), el("E 12")],
    "festival nights": [
        el("E 5", start_date="2026-02-01", end_date="2026-02-03", start_time="22:00", end_time="02:00"), el("E 12"),
    ],
    "bulk": [el("E 20", max_kwh=10), el("E 15", max_kwh=20), el("E 10")],
    "from ten": [el("E 10", min_kwh=10), el("E 20")],
    "two and a half": [el("E 20", max_kwh="2.5"), el("E 10")],
    "big fee": [el("E 10"), el("F 30", min_kwh=20)],
    "time from five": [el("E 10"), el("T 60", min_kwh=5)],
    "shop": [el("E 0", max_duration=1800), el("E 25", max_duration=3600), el("E 40")],
    "stay": [el("E 10"), el("P 60", min_duration=7200)],
    "after an hour": [el("E 10"), el("T 120", min_duration=3600)],
    "power": [el("E 20", max_power=16), el("E 35", max_power=32), el("E 50")],
    "fast": [el("E 30", min_power=22), el("E 18")],
    "trickle": [el("E 10"), el("T 60", max_power="3.7")],
    "ocpi complex": [
        el("F 2.5"), el("T 1/900", max_current=32), el("T 2/600", min_current=32, day_of_week=WEEKDAYS),
        el("T 1.25/600", min_current=32, day_of_week=WEEKEND),
        el("P 5/300", start_time="09:00", end_time="18:00", day_of_week=WEEKDAYS),
        el("P 6/300", start_time="10:00", end_time="17:00", day_of_week=["SATURDAY"]),
    ],
    "step 500": [el("E 20/500", end_time="17:00"), el("E 27/500")],
    "step mixed": [el("E 20/1000", end_time="17:00"), el("E 27/250")],
    "step 25": [el("E 25/25")],
    "half kWh": [el("E 25/500")],
    "tenth kWh": [el("F 50", "E 25/100")],
    "ten minutes": [el("T 5/600", end_time="17:00"), el("T 7/600")],
    "ocpi steps": [
        el("T 1.2/1800", "P 1/900", start_time="00:00", end_time="17:00"),
        el("T 2.4/900", "P 1/900", start_time="17:00", end_time="20:00"),
        el("T 2.4/900", start_time="20:00", end_time="00:00"),
    ],
    "hourly": [el("T 2/60")],
    "three and five": [el("T 3/60", "P 5/300")],
    "one and two": [el("T 1/600", "P 2/600")],
    "parking": [el("F 50", "E 25", "P 200/900")],
    "grace": [el("E 10", "P 60/1+600")],
    "grace steps": [el("E 10", "P 60/900+600")],
    "day parking": [el("E 10"), el("P 60", start_time="09:00", end_time="18:00")],
    "reserve": [el("T 500/60", reservation="RESERVATION"), el("F 50", "E 25")],
    "reserve fee": [el("F 200", "T 500/300", reservation="RESERVATION"), el("F 50", "E 25")],
    "expiry fee": [
        el("F 400", reservation="RESERVATION_EXPIRES"), el("T 200/600", reservation="RESERVATION"), el("F 50", "E 25"),
    ],
    "expiry time": [
        el("T 600/600", reservation="RESERVATION_EXPIRES"), el("T 300/600", reservation="RESERVATION"),
        el("F 50", "E 25"),
    ],
    "reserve nights": [el("T 60", reservation="RESERVATION", start_time="22:00", end_time="06:00"), el("E 10")],
    "both fees": [el("F 10", reservation="RESERVATION"), el("F 40", reservation="RESERVATION_EXPIRES"), el("E 10")],
    "gap": [el("E 5", start_time="02:00", end_time="03:00"), el("E 10")],
    "half past": [el("E 5", start_time="02:30", end_time="03:00"), el("E 10")],
    "to half past": [el("E 5", start_time="02:00", end_time="02:30"), el("E 10")],
    "long day": [el("E 5", start_date="2026-10-25", end_date="2026-10-26"), el("E 12")],
    "first": [
        el("E 5", start_time="09:00", end_time="12:00"), el("E 7", start_time="10:00", end_time="14:00"), el("E 9"),
    ],
    "dimensions": [el("E 5", start_time="09:00", end_time="12:00"), el("E 9", "T 60", "F 10")],
    "fees": [el("F 5", start_time="09:00", end_time="12:00"), el("F 10", "E 1")],
    "window fee": [el("F 5", start_time="09:00", end_time="12:00"), el("E 1")],
    "all at once": [
        el("E 6", start_time="09:00", end_time="18:00", day_of_week=WEEKDAYS, max_kwh=3, max_power=10), el("E 8"),
    ],
    "odd": [el("E 12.345")],
    "free": [el("E 0")],
}  # fmt: skip

# 6 kWh in an hour is 0.1 kWh a minute.
CLOCK: list[Case] = [
    ("day", "2026-02-02 07:00", "6/60", "energy 108.00 + fee 20.00"),
    ("day", "2026-02-02 08:00", "6/60", "energy 108.00 + fee 20.00"),
    ("day", "2026-02-02 08:01", "6/60", "energy 106.20 + energy 1.40 + fee 20.00"),
    ("day", "2026-02-02 08:30", "6/60", "energy 54.00 + energy 42.00 + fee 20.00"),
    ("day", "2026-02-02 08:59", "6/60", "energy 1.80 + energy 82.60 + fee 20.00"),
    ("day", "2026-02-02 09:00", "6/60", "energy 84.00 + fee 20.00"),
    ("day", "2026-02-02 15:00", "6/60", "energy 84.00 + fee 20.00"),
    ("day", "2026-02-02 15:01", "6/60", "energy 82.60 + energy 1.80 + fee 20.00"),
    ("day", "2026-02-02 15:30", "6/60", "energy 42.00 + energy 54.00 + fee 20.00"),
    ("day", "2026-02-02 15:59", "6/60", "energy 1.40 + energy 106.20 + fee 20.00"),
    ("day", "2026-02-02 16:00", "6/60", "energy 108.00 + fee 20.00"),
    ("day", "2026-02-02 08:30", "60/600", "energy 324.00 + energy 588.00 + fee 20.00"),  # 3 + 15 at 18, 42 at 14
    ("day", "2026-02-02 08:59:30", "0.1/1", "energy 0.90 + energy 0.70 + fee 20.00"),
    ("day", "2026-02-02 07:30", "6/60 0/30 6/60", "energy 108.00 + energy 84.00 + fee 20.00"),  # a pause
    ("night", "2026-02-02 22:00", "12/120", "energy 72.00 + energy 54.00"),
    ("night", "2026-02-02 22:59", "6/60", "energy 1.20 + energy 53.10"),
    ("night", "2026-02-02 23:00", "6/60", "energy 54.00"),
    ("night", "2026-02-02 23:30", "6/60", "energy 54.00"),  # over midnight
    ("night", "2026-02-03 00:00", "6/60", "energy 54.00"),
    ("night", "2026-02-03 05:30", "6/60", "energy 27.00 + energy 36.00"),
    ("night", "2026-02-03 05:59", "6/60", "energy 0.90 + energy 70.80"),
    ("night", "2026-02-03 06:00", "6/60", "energy 72.00"),
    ("night", "2026-02-02 22:30", "54/540", "energy 144.00 + energy 378.00"),  # 3 + 9 at 12, 42 at 9
    ("late", "2026-02-02 19:30", "6/60", "energy 24.00 + energy 21.00"),
    ("late", "2026-02-02 23:30", "6/60", "energy 21.00 + energy 24.00"),  # 00:00 ends the day
    ("late", "2026-02-03 00:00", "6/60", "energy 48.00"),
    ("until eight", "2026-02-02 07:30", "6/60", "energy 21.00 + energy 24.00"),
    ("until eight", "2026-02-02 08:00", "6/60", "energy 48.00"),
    ("until eight", "2026-02-02 23:30", "6/60", "energy 24.00 + energy 21.00"),
    ("from twenty", "2026-02-02 19:30", "6/60", "energy 24.00 + energy 21.00"),
    ("from twenty", "2026-02-02 23:30", "6/60", "energy 21.00 + energy 24.00"),
    ("six to six", "2026-02-02 05:30", "6/60", "energy 42.00"),  # a whole day
]

# 2026-02-01 is a Sunday.
CALENDAR: list[Case] = [
    ("weekend", "2026-01-30 23:30", "6/60", "energy 36.00 + energy 30.00"),
    ("weekend", "2026-01-31 12:00", "6/60", "energy 60.00"),
    ("weekend", "2026-01-31 23:30", "6/60", "energy 60.00"),
    ("weekend", "2026-02-01 00:00", "6/60", "energy 60.00"),
    ("weekend", "2026-02-01 23:00", "6/60", "energy 60.00"),
    ("weekend", "2026-02-01 23:30", "6/60", "energy 30.00 + energy 36.00"),
    ("weekend", "2026-02-01 23:59", "6/60", "energy 1.00 + energy 70.80"),
    ("weekend", "2026-02-02 00:00", "6/60", "energy 72.00"),
    ("week", "2026-02-02 12:00", "6/60", "energy 6.00"),
    ("week", "2026-02-03 12:00", "6/60", "energy 12.00"),
    ("week", "2026-02-04 12:00", "6/60", "energy 18.00"),
    ("week", "2026-02-05 12:00", "6/60", "energy 24.00"),
    ("week", "2026-02-06 12:00", "6/60", "energy 30.00"),
    ("week", "2026-02-07 12:00", "6/60", "energy 36.00"),
    ("week", "2026-02-08 12:00", "6/60", "energy 42.00"),
    ("week", "2026-02-02 23:30", "6/60", "energy 3.00 + energy 6.00"),
    ("week", "2026-02-08 23:30", "6/60", "energy 21.00 + energy 3.00"),
    ("festival", "2026-01-31 23:30", "6/60", "energy 36.00 + energy 15.00"),
    ("festival", "2026-02-01 00:00", "6/60", "energy 30.00"),
    ("festival", "2026-02-01 23:30", "6/60", "energy 30.00"),
    ("festival", "2026-02-02 23:30", "6/60", "energy 15.00 + energy 36.00"),  # the end date is excluded
    ("festival", "2026-02-03 00:00", "6/60", "energy 72.00"),
    ("since", "2026-01-31 23:30", "6/60", "energy 36.00 + energy 15.00"),
    ("since", "2027-01-01 12:00", "6/60", "energy 30.00"),
    ("until", "2025-01-01 12:00", "6/60", "energy 30.00"),
    ("until", "2026-02-02 23:30", "6/60", "energy 15.00 + energy 36.00"),
    ("festival nights", "2026-01-31 23:30", "6/60", "energy 36.00 + energy 15.00"),
    ("festival nights", "2026-02-01 01:30", "6/60", "energy 15.00 + energy 36.00"),
    ("festival nights", "2026-02-01 21:30", "6/60", "energy 36.00 + energy 15.00"),
    ("festival nights", "2026-02-02 23:30", "6/60", "energy 15.00 + energy 36.00"),
]

PROGRESS: list[Case] = [
    ("bulk", "2026-02-02 12:00", "0.001/1", "energy 0.02"),
    ("bulk", "2026-02-02 12:00", "9.9/99", "energy 198.00"),
    ("bulk", "2026-02-02 12:00", "10/100", "energy 200.00"),
    ("bulk", "2026-02-02 12:00", "10.1/101", "energy 200.00 + energy 1.50"),
    ("bulk", "2026-02-02 12:00", "20/200", "energy 200.00 + energy 150.00"),
    ("bulk", "2026-02-02 12:00", "20.1/201", "energy 200.00 + energy 150.00 + energy 1.00"),
    ("bulk", "2026-02-02 12:00", "30/300", "energy 200.00 + energy 150.00 + energy 100.00"),
    ("bulk", "2026-02-02 12:00", "10/100 10/100", "energy 200.00 + energy 150.00"),
    ("bulk", "2026-02-02 12:00", "5/50 5/50 5/50 5/50", "energy 200.00 + energy 150.00"),
    ("from ten", "2026-02-02 12:00", "10/100", "energy 200.00"),
    ("from ten", "2026-02-02 12:00", "10.001/100", "energy 200.00 + energy 0.01"),
    ("from ten", "2026-02-02 12:00", "25/250", "energy 200.00 + energy 150.00"),
    ("two and a half", "2026-02-02 12:00", "2.5/25", "energy 50.00"),
    ("two and a half", "2026-02-02 12:00", "2.501/25", "energy 50.00 + energy 0.01"),
    ("two and a half", "2026-02-02 12:00", "5/50", "energy 50.00 + energy 25.00"),
    ("big fee", "2026-02-02 12:00", "19/190", "energy 190.00"),
    ("big fee", "2026-02-02 12:00", "20/200", "energy 200.00"),  # due with the Wh that follows
    ("big fee", "2026-02-02 12:00", "20.001/200", "energy 200.01 + fee 30.00"),
    ("time from five", "2026-02-02 12:00", "5/50", "energy 50.00"),
    ("time from five", "2026-02-02 12:00", "10/100", "energy 100.00 + time 50.00"),
    ("time from five", "2026-02-02 12:00", "5/50 0/10", "energy 50.00 + time 10.00"),
    ("shop", "2026-02-02 12:00", "5/30", "energy 0.00"),
    ("shop", "2026-02-02 12:00", "5/30 1.2/10", "energy 0.00 + energy 30.00"),  # OCPI's example
    ("shop", "2026-02-02 12:00", "3.1/31", "energy 0.00 + energy 2.50"),
    ("shop", "2026-02-02 12:00", "6/60", "energy 0.00 + energy 75.00"),
    ("shop", "2026-02-02 12:00", "6/60 0.1/1", "energy 0.00 + energy 75.00 + energy 4.00"),
    ("shop", "2026-02-02 12:00", "9/90", "energy 0.00 + energy 75.00 + energy 120.00"),
    ("stay", "2026-02-02 12:00", "6/60 idle 60", "energy 60.00"),
    ("stay", "2026-02-02 12:00", "6/60 idle 61", "energy 60.00 + idle 1.00"),
    ("stay", "2026-02-02 12:00", "6/60 idle 120", "energy 60.00 + idle 60.00"),
    ("stay", "2026-02-02 12:00", "12/120 idle 30", "energy 120.00 + idle 30.00"),
    ("after an hour", "2026-02-02 12:00", "6/60", "energy 60.00"),
    ("after an hour", "2026-02-02 12:00", "6/60 0/1", "energy 60.00 + time 2.00"),
    ("after an hour", "2026-02-02 12:00", "9/90", "energy 90.00 + time 60.00"),
]

# 8 kWh in half an hour are 16 kW. A minimum holds at its very value, a maximum does not.
FLOW: list[Case] = [
    ("power", "2026-02-02 12:00", "1/10 40/50 0.5/7.5", "energy 30.00 + energy 2000.00"),  # OCPI's example
    ("power", "2026-02-02 12:00", "7.999/30", "energy 159.98"),
    ("power", "2026-02-02 12:00", "8/30", "energy 280.00"),
    ("power", "2026-02-02 12:00", "15.999/30", "energy 559.96"),  # 559.965, half to even
    ("power", "2026-02-02 12:00", "16/30", "energy 800.00"),
    ("fast", "2026-02-02 12:00", "10.999/30", "energy 197.98"),
    ("fast", "2026-02-02 12:00", "11/30", "energy 330.00"),
    ("fast", "2026-02-02 12:00", "11/30 5/30", "energy 330.00 + energy 90.00"),
    ("trickle", "2026-02-02 12:00", "1/30", "energy 10.00 + time 30.00"),
    ("trickle", "2026-02-02 12:00", "1.85/30", "energy 18.50"),
    ("trickle", "2026-02-02 12:00", "3/30 0/30", "energy 30.00 + time 30.00"),
    ("ocpi complex", "2026-02-02 09:30", "20/165@16 idle 42", "fee 2.50 + time 2.75 + idle 3.75"),
    # OCPI prints 2.28 for 114 minutes at 1.25 an hour; by its own rule they are 2.375.
    ("ocpi complex", "2026-02-07 13:30", "20/114@43 idle 71", "fee 2.50 + time 2.38 + idle 7.50"),
    ("ocpi complex", "2026-02-02 09:30", "20/60@31.9", "fee 2.50 + time 1.00"),
    ("ocpi complex", "2026-02-02 09:30", "20/60@32", "fee 2.50 + time 2.00"),
    ("ocpi complex", "2026-02-08 09:30", "20/50@43", "fee 2.50 + time 1.04"),
    ("ocpi complex", "2026-02-02 09:30", "10/30@16 10/30@40", "fee 2.50 + time 0.50 + time 1.00"),
    ("ocpi complex", "2026-02-02 17:00", "9/30@16 idle 60", "fee 2.50 + time 0.50 + idle 2.50"),  # until 18:00
    ("all at once", "2026-02-02 17:30", "2/20", "energy 12.00"),
    ("all at once", "2026-02-02 17:30", "6/60", "energy 18.00 + energy 24.00"),  # 3 kWh and 18:00 coincide
    ("all at once", "2026-02-02 17:40", "6/60", "energy 12.00 + energy 32.00"),  # 18:00 comes before 3 kWh
    ("all at once", "2026-02-02 12:00", "10/60", "energy 80.00"),  # 10 kW
    ("all at once", "2026-02-07 12:00", "2/20", "energy 16.00"),  # Saturday
]

STEPS: list[Case] = [
    ("step 500", "2026-02-02 16:17", "4.3/43 1.1/11", "energy 86.00 + energy 32.40"),  # OCPI: 5.4 to 5.5 kWh
    ("step 500", "2026-02-02 16:17", "5.4/54", "energy 86.00 + energy 32.40"),
    ("step 500", "2026-02-02 16:17", "4.3/43 1.2/12", "energy 86.00 + energy 32.40"),
    ("step 500", "2026-02-02 16:00", "4.3/43", "energy 90.00"),
    ("step 500", "2026-02-02 16:00", "4.5/45", "energy 90.00"),
    ("step 500", "2026-02-02 16:00", "0.001/1", "energy 10.00"),
    ("step mixed", "2026-02-02 16:17", "4.3/43 1.1/11", "energy 86.00 + energy 32.40"),  # the last step counts
    ("step mixed", "2026-02-02 16:00", "4.3/43", "energy 100.00"),
    ("step 25", "2026-02-02 12:00", "0.101/1", "energy 3.12"),  # 125 Wh, 3.125
    ("step 25", "2026-02-02 12:00", "0.125/1", "energy 3.12"),
    ("step 25", "2026-02-02 12:00", "0.126/1", "energy 3.75"),
    ("half kWh", "2026-02-02 12:00", "0.001/1", "energy 12.50"),
    ("half kWh", "2026-02-02 12:00", "0.5/5", "energy 12.50"),
    ("half kWh", "2026-02-02 12:00", "0.501/5", "energy 25.00"),
    ("tenth kWh", "2026-02-02 12:00", "20.45/60", "energy 512.50 + fee 50.00"),  # OCPI: 20.5 kWh
    ("ten minutes", "2026-02-02 16:54", "3/28", "time 0.50 + time 2.80"),  # OCPI: 28 to 30 minutes
    ("ocpi steps", "2026-02-02 16:55", "1/10 idle 2", "time 0.10 + time 0.20 + idle 0.25"),  # OCPI #1
    ("ocpi steps", "2026-02-02 16:35", "3/35", "time 0.50 + time 0.80"),  # OCPI #2
    ("ocpi steps", "2026-02-02 19:40", "1/12 idle 20", "time 0.48 + idle 0.25"),  # standing is free from 20:00
    ("ocpi steps", "2026-02-02 19:55", "1/10 idle 2", "time 0.60"),
    ("ocpi steps", "2026-02-02 16:30", "0.1/1", "time 0.60"),
    ("ocpi steps", "2026-02-02 16:30", "3/30", "time 0.60"),
    ("ocpi steps", "2026-02-02 16:30", "3/31", "time 0.60 + time 0.60"),
    ("hourly", "2026-02-02 12:00", "20/150", "time 5.00"),
    ("hourly", "2026-02-02 12:00", "20/150.5", "time 5.03"),  # 151 minutes
    ("hourly", "2026-02-02 12:00", "20/150 idle 60", "time 5.00"),
    ("three and five", "2026-02-02 12:00", "20/150 idle 42", "time 7.50 + idle 3.75"),  # OCPI's example
    ("three and five", "2026-02-02 12:00", "20/150.5", "time 7.55"),
    ("three and five", "2026-02-02 12:00", "20/150.5 idle 42", "time 7.52 + idle 3.75"),  # 7.525: not rounded up
    ("three and five", "2026-02-02 12:00", "20/150 idle 40", "time 7.50 + idle 3.33"),
    ("one and two", "2026-02-02 12:00", "5/21 idle 16", "time 0.35 + idle 0.67"),  # OCPI: 20 minutes
    ("one and two", "2026-02-02 12:00", "5/21 idle 16 5/9", "time 0.50 + idle 0.67"),
]

STANDING: list[Case] = [
    ("parking", "2026-02-02 12:00", "20/60", "energy 500.00 + fee 50.00"),
    ("parking", "2026-02-02 12:00", "20/60 idle 40", "energy 500.00 + fee 50.00 + idle 150.00"),  # OCPI: 45 minutes
    ("parking", "2026-02-02 12:00", "20/60 idle 45", "energy 500.00 + fee 50.00 + idle 150.00"),
    ("parking", "2026-02-02 12:00", "20/60 idle 45.1", "energy 500.00 + fee 50.00 + idle 200.00"),
    ("grace", "2026-02-02 12:00", "6/60 idle 10", "energy 60.00"),
    ("grace", "2026-02-02 12:00", "6/60 idle 10.5", "energy 60.00 + idle 0.50"),
    ("grace", "2026-02-02 12:00", "6/60 idle 25", "energy 60.00 + idle 15.00"),
    ("grace", "2026-02-02 12:00", "6/60 idle 5 6/60 idle 10", "energy 120.00 + idle 5.00"),
    ("grace steps", "2026-02-02 12:00", "6/60 idle 11", "energy 60.00 + idle 15.00"),
    ("grace steps", "2026-02-02 12:00", "6/60 idle 25", "energy 60.00 + idle 15.00"),
    ("grace steps", "2026-02-02 12:00", "6/60 idle 26", "energy 60.00 + idle 30.00"),
    ("day parking", "2026-02-02 17:00", "6/60 idle 60", "energy 60.00"),
    ("day parking", "2026-02-02 16:00", "6/60 idle 90", "energy 60.00 + idle 60.00"),
    ("day parking", "2026-02-02 07:00", "6/60 idle 120", "energy 60.00 + idle 60.00"),
    ("reserve", "2026-02-02 12:00", "reserved 15 20/60", "reserved 125.00 + energy 500.00 + fee 50.00"),
    (
        "reserve fee", "2026-02-02 12:00", "reserved 13 20/60",
        "reservation 200.00 + reserved 125.00 + energy 500.00 + fee 50.00",
    ),
    ("expiry fee", "2026-02-02 12:00", "reserved 22 20/60", "reserved 100.00 + energy 500.00 + fee 50.00"),
    ("expiry fee", "2026-02-02 12:00", "expired 60", "reservation 400.00 + reserved 200.00"),
    ("expiry time", "2026-02-02 12:00", "reserved 22 20/60", "reserved 150.00 + energy 500.00 + fee 50.00"),
    ("expiry time", "2026-02-02 12:00", "expired 90", "reserved 900.00"),
    ("day", "2026-02-02 08:30", "reserved 30 6/60", "energy 84.00 + fee 20.00"),
    ("reserve nights", "2026-02-02 21:30", "reserved 60 6/60", "reserved 30.00 + energy 60.00"),
    ("both fees", "2026-02-02 12:00", "reserved 30 6/60", "reservation 10.00 + energy 60.00"),
    ("both fees", "2026-02-02 12:00", "expired 30", "reservation 10.00 + reservation 40.00"),
]  # fmt: skip

# Berlin goes from 02:00 to 03:00 on 2026-03-29 and from 03:00 to 02:00 on 2026-10-25; New York on 03-08 and 11-01.
SUMMER_TIME: list[Case] = [
    ("night", "2026-03-29 00:00 Europe/Berlin", "6/360", "energy 45.00 + energy 12.00"),
    ("night", "2026-03-28 23:00 Europe/Berlin", "7/420", "energy 54.00 + energy 12.00"),
    ("night", "2026-10-25 00:00 Europe/Berlin", "8/480", "energy 63.00 + energy 12.00"),
    ("gap", "2026-03-29 01:00 Europe/Berlin", "2/120", "energy 20.00"),  # there is no hour from 2 to 3
    ("gap", "2026-10-25 01:00 Europe/Berlin", "4/240", "energy 20.00 + energy 10.00"),  # there are two
    ("half past", "2026-03-29 01:00 Europe/Berlin", "2/120", "energy 20.00"),
    ("half past", "2026-10-25 02:00 Europe/Berlin", "3/180", "energy 20.00 + energy 5.00"),
    ("to half past", "2026-10-25 01:30 Europe/Berlin", "3/180", "energy 20.00 + energy 5.00"),
    ("long day", "2026-10-25 00:00 Europe/Berlin", "26/1560", "energy 125.00 + energy 12.00"),
    ("shop", "2026-03-29 01:45 Europe/Berlin", "6/60", "energy 0.00 + energy 75.00"),  # durations are real time
    ("night", "2026-03-08 00:00 America/New_York", "6/360", "energy 45.00 + energy 12.00"),
    ("night", "2026-11-01 00:00 America/New_York", "8/480", "energy 63.00 + energy 12.00"),
    ("weekend", "2026-03-08 00:00 America/New_York", "24/1440", "energy 230.00 + energy 12.00"),
    ("weekend", "2026-11-01 00:00 America/New_York", "26/1560", "energy 250.00 + energy 12.00"),
    ("night", "2026-07-01 22:30 America/New_York", "6/60", "energy 36.00 + energy 27.00"),
    ("night", "2026-07-01 22:30 Asia/Kathmandu", "6/60", "energy 36.00 + energy 27.00"),
]

CHOICE: list[Case] = [
    ("first", "2026-02-02 09:30", "6/60", "energy 30.00"),  # the first that holds, though two do from 10:00
    ("first", "2026-02-02 11:30", "6/60", "energy 15.00 + energy 21.00"),
    ("first", "2026-02-02 13:30", "6/60", "energy 21.00 + energy 27.00"),
    ("dimensions", "2026-02-02 11:30", "6/60", "energy 15.00 + energy 27.00 + fee 10.00 + time 60.00"),
    ("fees", "2026-02-02 08:30", "6/60", "energy 6.00 + fee 10.00"),  # the fee of the begin
    ("fees", "2026-02-02 09:00", "6/60", "energy 6.00 + fee 5.00"),
    ("window fee", "2026-02-02 08:30", "6/60", "energy 6.00 + fee 5.00"),  # due from 09:00
    ("window fee", "2026-02-02 08:30", "30/300", "energy 30.00 + fee 5.00"),  # once
    ("window fee", "2026-02-02 12:00", "6/60", "energy 6.00"),
    ("odd", "2026-02-02 12:00", "1/10", "energy 12.34"),  # 12.345, half to even
    ("odd", "2026-02-02 12:00", "3/30", "energy 37.04"),  # 37.035
    ("free", "2026-02-02 12:00", "6/60", "energy 0.00"),
]

CASES = [*CLOCK, *CALENDAR, *PROGRESS, *FLOW, *STEPS, *STANDING, *SUMMER_TIME, *CHOICE]
