"""The look of a mail: one HTML template as text. Reads title, paragraphs, preheader and links; holds no logic of ours.

Tables and inline styles, because Outlook knows nothing else; the one style sheet only adds dark mode and small screens.
Colours meet WCAG 2.2 AA in both modes. `lang="und"`: the content's language is not known here.
"""

from __future__ import annotations

from typing import Final

HTML: Final = """\
<!doctype html>
<html lang="und" dir="auto">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">
<meta name="x-apple-disable-message-reformatting">
<title>{{ subject }}</title>
<style>
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (max-width: 480px) {
  .hg-page { padding: 0 !important; }
  .hg-card { padding: 24px 20px !important; border-radius: 0 !important; border-width: 0 !important; }
  .hg-footer { padding: 20px !important; }
  .hg-action { width: 100% !important; }
  .hg-label { display: block !important; }
}
@media (prefers-color-scheme: dark) {
  .hg-page { background-color: #14161a !important; }
  .hg-card { background-color: #1f2228 !important; border-color: #343943 !important; }
  .hg-title { color: #f4f5f7 !important; }
  .hg-text { color: #d5d8de !important; }
  .hg-button { background-color: #8ab4ff !important; }
  .hg-label { color: #0b1a33 !important; }
  .hg-quiet { color: #a3aab6 !important; }
}
</style>
</head>
<body class="hg-page" style="margin:0;padding:0;width:100%;background-color:#f2f3f5;">
{% if preheader %}
<div style="display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden;\
mso-hide:all;">{{ preheader }}</div>
{% endif %}
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0">
<tr><td class="hg-page" align="center" style="padding:32px 16px;background-color:#f2f3f5;">
<!--[if mso]><table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" \
style="max-width:600px;margin:0 auto;">
<tr><td class="hg-card" style="padding:32px;background-color:#ffffff;border:1px solid #dfe2e7;border-radius:12px;\
text-align:start;font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;">
<div role="article">
{% if title %}
<h1 class="hg-title" dir="auto" style="margin:0 0 16px;font-size:22px;line-height:1.3;font-weight:600;color:#15181d;\
overflow-wrap:anywhere;">{{ title }}</h1>
{% endif %}
{% for paragraph in paragraphs %}
<p class="hg-text" dir="auto" style="margin:0 0 16px;font-size:16px;line-height:1.5;color:#3a404a;\
white-space:pre-wrap;overflow-wrap:anywhere;">{{ paragraph }}</p>
{% endfor %}
{% if link %}
<table class="hg-action" role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:8px 0 0;">
<tr><td class="hg-button" align="center" bgcolor="#1b56c4" style="border-radius:8px;background-color:#1b56c4;\
mso-padding-alt:13px 28px;">
<a class="hg-label" href="{{ link }}" style="display:inline-block;padding:13px 28px;color:#ffffff;\
font-size:16px;line-height:1.25;font-weight:600;text-align:center;text-decoration:none;">Open</a>
</td></tr></table>
{% endif %}
</div>
</td></tr>
{% if unsubscribe %}
<tr><td class="hg-footer" align="center" style="padding:20px 16px 0;font-family:-apple-system,BlinkMacSystemFont,\
'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:14px;line-height:1.5;color:#5a6270;" lang="en" dir="ltr">
<a class="hg-quiet" href="{{ unsubscribe }}" style="color:#5a6270;text-decoration:underline;">Unsubscribe</a>
</td></tr>
{% endif %}
</table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr></table>
</body>
</html>
"""
