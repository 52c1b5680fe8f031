"""Which words do notices use, in English, Hindi and Kannada? Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orders.papers.labels import LANGUAGES

WORDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "started": (
        "Charging has started at {station}",
        "{station} पर चार्जिंग शुरू हो गई है",
        "{station} ನಲ್ಲಿ ಚಾರ್ಜಿಂಗ್ ಆರಂಭವಾಗಿದೆ",
    ),
    "started-text": (
        "Energy flows into your vehicle.",
        "आपके वाहन में ऊर्जा जा रही है।",
        "ನಿಮ್ಮ ವಾಹನಕ್ಕೆ ವಿದ್ಯುತ್ ಹರಿಯುತ್ತಿದೆ.",
    ),
    "eighty": (
        "80 % reached at {station}",
        "{station} पर 80 % पूरा हुआ",
        "{station} ನಲ್ಲಿ 80 % ತಲುಪಿದೆ",
    ),
    "eighty-text": (
        "Four fifths of what you ordered, or of the battery, are reached.",
        "आपके ऑर्डर का या बैटरी का 80 % पूरा हो गया है।",
        "ನಿಮ್ಮ ಆರ್ಡರ್‌ನ ಅಥವಾ ಬ್ಯಾಟರಿಯ 80 % ತಲುಪಿದೆ.",
    ),
    "interrupted": (
        "Charging is interrupted at {station}",
        "{station} पर चार्जिंग रुकी हुई है",
        "{station} ನಲ್ಲಿ ಚಾರ್ಜಿಂಗ್ ಸ್ಥಗಿತಗೊಂಡಿದೆ",
    ),
    "interrupted-text": (
        "No energy has flowed since {since}: the vehicle or the charger has paused. Please look at the cable and at "
        "your vehicle.",
        "{since} से ऊर्जा नहीं जा रही है: वाहन या चार्जर ने चार्जिंग रोक दी है। कृपया केबल और अपना वाहन देखें।",
        "{since} ರಿಂದ ವಿದ್ಯುತ್ ಹರಿಯುತ್ತಿಲ್ಲ: ವಾಹನ ಅಥವಾ ಚಾರ್ಜರ್ ವಿರಾಮಗೊಳಿಸಿದೆ. ದಯವಿಟ್ಟು ಕೇಬಲ್ ಮತ್ತು ನಿಮ್ಮ ವಾಹನವನ್ನು ನೋಡಿ.",
    ),
    "silent-text": (
        "The charger has not been heard since {since}. It may still be charging. Please look at it where you can.",
        "{since} से चार्जर से कोई सूचना नहीं आई है। हो सकता है वह अब भी चार्ज कर रहा हो। हो सके तो कृपया उसे देखें।",
        "{since} ರಿಂದ ಚಾರ್ಜರ್‌ನಿಂದ ಮಾಹಿತಿ ಬಂದಿಲ್ಲ. ಅದು ಇನ್ನೂ ಚಾರ್ಜ್ ಮಾಡುತ್ತಿರಬಹುದು. ಸಾಧ್ಯವಾದರೆ ದಯವಿಟ್ಟು ಅದನ್ನು ನೋಡಿ.",
    ),
    "resumed": (
        "Charging goes on at {station}",
        "{station} पर चार्जिंग फिर चल रही है",
        "{station} ನಲ್ಲಿ ಚಾರ್ಜಿಂಗ್ ಮುಂದುವರಿದಿದೆ",
    ),
    "resumed-text": (
        "The interruption is over.",
        "रुकावट समाप्त हो गई है।",
        "ಅಡಚಣೆ ಮುಗಿದಿದೆ.",
    ),
    "idle-soon": (
        "Please move your vehicle soon: {station}",
        "कृपया अपना वाहन जल्द हटाएँ: {station}",
        "ದಯವಿಟ್ಟು ನಿಮ್ಮ ವಾಹನವನ್ನು ಬೇಗ ತೆಗೆಯಿರಿ: {station}",
    ),
    "idle-soon-text": (
        "Standing at the charger without charging costs extra, by what is known now from about {since} on. Please move "
        "your vehicle before then.",
        "बिना चार्जिंग के चार्जर पर खड़े रहने का अतिरिक्त शुल्क लगता है, अब तक की जानकारी के अनुसार लगभग {since} से। कृपया उससे पहले "
        "अपना वाहन हटा लें।",
        "ಚಾರ್ಜ್ ಮಾಡದೆ ಚಾರ್ಜರ್ ಬಳಿ ನಿಂತರೆ ಹೆಚ್ಚುವರಿ ಶುಲ್ಕವಿದೆ, ಈಗಿನ ಮಾಹಿತಿಯಂತೆ ಸುಮಾರು {since} ರಿಂದ. ದಯವಿಟ್ಟು ಅದಕ್ಕೂ ಮೊದಲು ನಿಮ್ಮ ವಾಹನವನ್ನು ತೆಗೆಯಿರಿ.",
    ),
    "idle-now-text": (
        "Your vehicle stands at the charger without charging, and that costs extra. Please move it.",
        "आपका वाहन बिना चार्जिंग के चार्जर पर खड़ा है और इसका अतिरिक्त शुल्क लग रहा है। कृपया उसे हटा लें।",
        "ನಿಮ್ಮ ವಾಹನ ಚಾರ್ಜ್ ಮಾಡದೆ ಚಾರ್ಜರ್ ಬಳಿ ನಿಂತಿದೆ, ಅದಕ್ಕೆ ಹೆಚ್ಚುವರಿ ಶುಲ್ಕವಾಗುತ್ತಿದೆ. ದಯವಿಟ್ಟು ಅದನ್ನು ತೆಗೆಯಿರಿ.",
    ),
    "done": (
        "Charging has ended at {station}",
        "{station} पर चार्जिंग समाप्त हुई",
        "{station} ನಲ್ಲಿ ಚಾರ್ಜಿಂಗ್ ಮುಗಿದಿದೆ",
    ),
    "done-text": (
        "No more energy flows into your vehicle. This is what it came to.",
        "आपके वाहन में अब ऊर्जा नहीं जा रही है। कुल विवरण यह है।",
        "ನಿಮ್ಮ ವಾಹನಕ್ಕೆ ಈಗ ವಿದ್ಯುತ್ ಹರಿಯುತ್ತಿಲ್ಲ. ಒಟ್ಟು ವಿವರ ಇಲ್ಲಿದೆ.",
    ),
    "fault-text": (
        "The charger reported a fault and stopped. Only what was delivered is billed.",
        "चार्जर ने खराबी बताई और रुक गया। केवल जितनी ऊर्जा दी गई उसी का बिल बनता है।",
        "ಚಾರ್ಜರ್ ದೋಷ ತಿಳಿಸಿ ನಿಂತಿದೆ. ನೀಡಿದ ವಿದ್ಯುತ್ತಿಗೆ ಮಾತ್ರ ಬಿಲ್ ಆಗುತ್ತದೆ.",
    ),
    "provisional-text": (
        "The charger fell silent. The bill follows its last meter value and is corrected where the charger tells more.",
        "चार्जर से सूचना आनी बंद हो गई। बिल उसके अंतिम मीटर मान पर है और चार्जर के और बताने पर सुधारा जाएगा।",
        "ಚಾರ್ಜರ್‌ನಿಂದ ಮಾಹಿತಿ ನಿಂತಿದೆ. ಬಿಲ್ ಅದರ ಕೊನೆಯ ಮೀಟರ್ ಮೌಲ್ಯದಂತಿದೆ; ಚಾರ್ಜರ್ ಇನ್ನಷ್ಟು ತಿಳಿಸಿದರೆ ಸರಿಪಡಿಸಲಾಗುತ್ತದೆ.",
    ),
    "failed": (
        "The charger could not deliver: {station}",
        "चार्जर ऊर्जा नहीं दे सका: {station}",
        "ಚಾರ್ಜರ್ ವಿದ್ಯುತ್ ನೀಡಲಾಗಲಿಲ್ಲ: {station}",
    ),
    "failed-text": (
        "No energy was delivered. You are not charged, and what you paid comes back by itself.",
        "कोई ऊर्जा नहीं दी गई। आपसे कोई शुल्क नहीं लिया जाता, और आपने जो भुगतान किया वह अपने आप वापस आएगा।",
        "ವಿದ್ಯುತ್ ನೀಡಲಾಗಿಲ್ಲ. ನಿಮಗೆ ಶುಲ್ಕವಿಲ್ಲ, ಮತ್ತು ನೀವು ಪಾವತಿಸಿದ್ದು ತಾನಾಗಿಯೇ ಹಿಂತಿರುಗುತ್ತದೆ.",
    ),
    "receipt": (
        "{paper} {number}: {station}",
        "{paper} {number}: {station}",
        "{paper} {number}: {station}",
    ),
    "receipt-text": (
        "Thank you for charging with {operator}. This is the invoice of your order.",
        "{operator} के साथ चार्ज करने के लिए धन्यवाद। यह आपके ऑर्डर का बिल है।",
        "{operator} ಜೊತೆ ಚಾರ್ಜ್ ಮಾಡಿದ್ದಕ್ಕೆ ಧನ್ಯವಾದಗಳು. ಇದು ನಿಮ್ಮ ಆರ್ಡರ್‌ನ ಬಿಲ್.",
    ),
    "note-text": (
        "The amount of your order was corrected. This is the paper for the difference.",
        "आपके ऑर्डर की राशि सुधारी गई है। यह अंतर का पत्र है।",
        "ನಿಮ್ಮ ಆರ್ಡರ್‌ನ ಮೊತ್ತವನ್ನು ಸರಿಪಡಿಸಲಾಗಿದೆ. ಇದು ವ್ಯತ್ಯಾಸದ ಪತ್ರ.",
    ),
    "refund": (
        "{amount} comes back to you",
        "{amount} आपको वापस मिल रहे हैं",
        "{amount} ನಿಮಗೆ ಹಿಂತಿರುಗುತ್ತಿದೆ",
    ),
    "refund-text": (
        "{amount} is on its way back to you. You were promised it by {since}.",
        "{amount} आपको लौटाए जा रहे हैं। {since} तक देने का वादा है।",
        "{amount} ನಿಮಗೆ ಮರಳಿಸಲಾಗುತ್ತಿದೆ. {since} ಒಳಗೆ ನೀಡುವ ಭರವಸೆ ಇದೆ.",
    ),
    "refunded": (
        "{amount} was paid back to you",
        "{amount} आपको लौटा दिए गए",
        "{amount} ನಿಮಗೆ ಮರಳಿಸಲಾಗಿದೆ",
    ),
    "refunded-text": (
        "{amount} went back the way you paid. Your bank may take a few days to show it.",
        "{amount} उसी माध्यम से लौटा दिए गए जिससे आपने भुगतान किया था। बैंक में दिखने में कुछ दिन लग सकते हैं।",
        "ನೀವು ಪಾವತಿಸಿದ ಮಾರ್ಗದಲ್ಲೇ {amount} ಮರಳಿಸಲಾಗಿದೆ. ಬ್ಯಾಂಕಿನಲ್ಲಿ ಕಾಣಲು ಕೆಲವು ದಿನ ಬೇಕಾಗಬಹುದು.",
    ),
    "order": ("Order", "ऑर्डर", "ಆರ್ಡರ್"),
    "station": ("Charging station", "चार्जिंग स्टेशन", "ಚಾರ್ಜಿಂಗ್ ಕೇಂದ್ರ"),
    "charger": ("Charger", "चार्जर", "ಚಾರ್ಜರ್"),
    "energy": ("Energy", "ऊर्जा", "ವಿದ್ಯುತ್"),
    "of": ("{energy} of {target}", "{target} में से {energy}", "{target} ರಲ್ಲಿ {energy}"),
    "battery": ("Battery", "बैटरी", "ಬ್ಯಾಟರಿ"),
    "duration": ("Duration", "अवधि", "ಅವಧಿ"),
    "minutes": ("{minutes} min", "{minutes} मिनट", "{minutes} ನಿಮಿಷ"),
    "so-far": ("Cost so far", "अब तक की लागत", "ಈವರೆಗಿನ ವೆಚ್ಚ"),
    "total": ("Total with tax", "कर सहित कुल", "ತೆರಿಗೆ ಸೇರಿ ಒಟ್ಟು"),
    "time": ("As of", "इस समय की स्थिति", "ಈ ಸಮಯದ ಸ್ಥಿತಿ"),
    "live": ("See it live", "लाइव देखें", "ನೇರವಾಗಿ ನೋಡಿ"),
    "record": ("See the whole session", "पूरा सत्र देखें", "ಪೂರ್ಣ ಅವಧಿ ನೋಡಿ"),
    "pdf": ("Open the PDF", "PDF खोलें", "PDF ತೆರೆಯಿರಿ"),
    "help": ("Help: {contact}", "सहायता: {contact}", "ಸಹಾಯ: {contact}"),
    "why": (
        "{operator} writes to the address that was given with this order.",
        "{operator} इस ऑर्डर के साथ दिए गए पते पर लिखता है।",
        "{operator} ಈ ಆರ್ಡರ್ ಜೊತೆ ನೀಡಿದ ವಿಳಾಸಕ್ಕೆ ಬರೆಯುತ್ತದೆ.",
    ),
    "unsubscribe": (
        "No more messages about charging",
        "चार्जिंग के बारे में और संदेश नहीं",
        "ಚಾರ್ಜಿಂಗ್ ಬಗ್ಗೆ ಇನ್ನು ಸಂದೇಶಗಳು ಬೇಡ",
    ),
    "page-title": ("Messages about charging", "चार्जिंग के संदेश", "ಚಾರ್ಜಿಂಗ್ ಸಂದೇಶಗಳು"),
    "page-on": (
        "{operator} sends messages about charging to this address.",
        "{operator} इस पते पर चार्जिंग के संदेश भेजता है।",
        "{operator} ಈ ವಿಳಾಸಕ್ಕೆ ಚಾರ್ಜಿಂಗ್ ಸಂದೇಶಗಳನ್ನು ಕಳುಹಿಸುತ್ತದೆ.",
    ),
    "page-off": (
        "{operator} sends no more messages about charging to this address. Receipts and news of refunds still come.",
        "{operator} अब इस पते पर चार्जिंग के संदेश नहीं भेजता। बिल और धनवापसी की सूचनाएँ फिर भी आएँगी।",
        "{operator} ಇನ್ನು ಈ ವಿಳಾಸಕ್ಕೆ ಚಾರ್ಜಿಂಗ್ ಸಂದೇಶಗಳನ್ನು ಕಳುಹಿಸುವುದಿಲ್ಲ. ಬಿಲ್‌ಗಳು ಮತ್ತು ಮರುಪಾವತಿಯ ಸುದ್ದಿ ಬರುತ್ತವೆ.",
    ),
    "page-switch-off": ("Switch off", "बंद करें", "ನಿಲ್ಲಿಸಿ"),
    "page-switch-on": ("Switch on again", "फिर से चालू करें", "ಮತ್ತೆ ಆರಂಭಿಸಿ"),
    "page-gone": ("This link opens nothing", "इस लिंक से कुछ नहीं खुलता", "ಈ ಲಿಂಕ್ ಏನನ್ನೂ ತೆರೆಯುವುದಿಲ್ಲ"),
    "page-skip": ("Skip to the content", "सीधे सामग्री पर जाएँ", "ವಿಷಯಕ್ಕೆ ಹೋಗಿ"),
    "page-language": ("Language", "भाषा", "ಭಾಷೆ"),
}


def say(key: str, language: str, **filled: str) -> str:
    """The words for a key in a language of LANGUAGES, with their places filled."""
    return WORDS[key][LANGUAGES.index(language)].format(**filled)
