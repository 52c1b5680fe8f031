"""Which words stand on an invoice, in English, Hindi and Kannada?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LANGUAGES: Final = ("en", "hi", "kn")

_LABELS: Final[Mapping[str, tuple[str, str, str]]] = {
    "tax-invoice": ("Tax invoice", "कर बीजक", "ತೆರಿಗೆ ಸರಕುಪಟ್ಟಿ"),
    "invoice": ("Invoice", "बीजक", "ಸರಕುಪಟ್ಟಿ"),
    "credit-note": ("Credit note", "जमा पत्र (क्रेडिट नोट)", "ಜಮಾ ಪತ್ರ (ಕ್ರೆಡಿಟ್ ನೋಟ್)"),
    "debit-note": ("Debit note", "नामे पत्र (डेबिट नोट)", "ಖರ್ಚು ಪತ್ರ (ಡೆಬಿಟ್ ನೋಟ್)"),
    "number": ("Number", "संख्या", "ಸಂಖ್ಯೆ"),
    "date": ("Date", "दिनांक", "ದಿನಾಂಕ"),
    "supplier": ("Supplier", "आपूर्तिकर्ता", "ಪೂರೈಕೆದಾರರು"),
    "recipient": ("Recipient", "प्राप्तकर्ता", "ಸ್ವೀಕೃತಿದಾರರು"),
    "consumer": ("Unregistered consumer", "अपंजीकृत उपभोक्ता", "ನೋಂದಾಯಿಸದ ಗ್ರಾಹಕರು"),
    "place": ("Place of supply", "आपूर्ति का स्थान", "ಪೂರೈಕೆಯ ಸ್ಥಳ"),
    "reverse": ("Reverse charge", "प्रतिवर्ती प्रभार", "ಹಿಮ್ಮುಖ ಶುಲ್ಕ"),
    "no": ("No", "नहीं", "ಇಲ್ಲ"),
    "order": ("Order", "आदेश", "ಆದೇಶ"),
    "station": ("Charging station", "चार्जिंग स्टेशन", "ಚಾರ್ಜಿಂಗ್ ಕೇಂದ್ರ"),
    "connector": ("Connector", "कनेक्टर", "ಕನೆಕ್ಟರ್"),
    "corrects": ("Corrects invoice", "संशोधित बीजक", "ತಿದ್ದುಪಡಿಯಾದ ಸರಕುಪಟ್ಟಿ"),
    "reason": ("Reason", "कारण", "ಕಾರಣ"),
    "correction-reason": ("Bill corrected after the meter", "मीटर के अनुसार बिल में सुधार", "ಮೀಟರ್ ಪ್ರಕಾರ ಬಿಲ್ ತಿದ್ದುಪಡಿ"),
    "goodwill-reason": ("Goodwill", "सद्भावना", "ಸದ್ಭಾವನೆ"),
    "description": ("Description", "विवरण", "ವಿವರ"),
    "quantity": ("Quantity", "मात्रा", "ಪ್ರಮಾಣ"),
    "amount": ("Amount", "राशि", "ಮೊತ್ತ"),
    "taxable": ("Taxable value", "कर योग्य मूल्य", "ತೆರಿಗೆಗೊಳಪಡುವ ಮೌಲ್ಯ"),
    "total": ("Total", "कुल", "ಒಟ್ಟು"),
    "in-words": ("In words", "शब्दों में", "ಅಕ್ಷರಗಳಲ್ಲಿ"),
    "page": ("Page", "पृष्ठ", "ಪುಟ"),
    "unsigned": (
        "Issued electronically; valid without a signature (Information Technology Act, 2000).",
        "इलेक्ट्रॉनिक रूप से जारी; हस्ताक्षर के बिना मान्य (सूचना प्रौद्योगिकी अधिनियम, 2000)।",
        "ವಿದ್ಯುನ್ಮಾನವಾಗಿ ನೀಡಲಾಗಿದೆ; ಸಹಿ ಇಲ್ಲದೆ ಮಾನ್ಯ (ಮಾಹಿತಿ ತಂತ್ರಜ್ಞಾನ ಕಾಯ್ದೆ, 2000).",
    ),
    "without-gstin": (
        "The supplier has no GSTIN on record: this is no tax invoice.",
        "आपूर्तिकर्ता का GSTIN दर्ज नहीं है: यह कर बीजक नहीं है।",
        "ಪೂರೈಕೆದಾರರ GSTIN ದಾಖಲಾಗಿಲ್ಲ: ಇದು ತೆರಿಗೆ ಸರಕುಪಟ್ಟಿ ಅಲ್ಲ.",
    ),
    "without-tax": (
        "Given without change of tax (CGST Act, section 15(3)).",
        "कर में परिवर्तन के बिना (CGST अधिनियम, धारा 15(3))।",
        "ತೆರಿಗೆಯಲ್ಲಿ ಬದಲಾವಣೆ ಇಲ್ಲದೆ (CGST ಕಾಯ್ದೆ, ಕಲಂ 15(3)).",
    ),
    "energy-cost": ("Charging energy", "चार्जिंग ऊर्जा", "ಚಾರ್ಜಿಂಗ್ ಶಕ್ತಿ"),
    "service-charge": ("Service charge", "सेवा शुल्क", "ಸೇವಾ ಶುಲ್ಕ"),
    "parking-fee": ("Parking", "पार्किंग शुल्क", "ನಿಲುಗಡೆ ಶುಲ್ಕ"),
    "discount": ("Discount", "छूट", "ರಿಯಾಯಿತಿ"),
    "cancellation-fee": ("Cancellation fee", "रद्दीकरण शुल्क", "ರದ್ದತಿ ಶುಲ್ಕ"),
    "correction": ("Correction of the bill", "बिल में सुधार", "ಬಿಲ್ ತಿದ್ದುಪಡಿ"),
    "goodwill": ("Goodwill", "सद्भावना", "ಸದ್ಭಾವನೆ"),
}


def label(key: str, language: str) -> str:
    """The words for a key in a language of LANGUAGES; an unknown line's code is shown as plain words."""
    known = _LABELS.get(key)
    return known[LANGUAGES.index(language)] if known else key.replace("-", " ").capitalize()
