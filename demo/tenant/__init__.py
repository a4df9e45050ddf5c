"""A simulated SAP Analytics Cloud tenant: OAuth, catalogue, metadata, facts, sums, masters, deltas.

Run it with `python -m demo.tenant [--host H] [--port P] [--rows N] [--quiet] [--until-eof]`. Port 0
takes a free port; N, up to 1,000,000, is the size of the daily model. It knows nothing of `app`: it
is the other side, written from what SAP documents and what people report, and stricter than the
real thing. It keeps nothing, and its one client and secret are invented.

Paths:
    /oauth/token                    client credentials, by Basic header or in the form
    /api/v1/dataexport/...          the Data Export Service; each call needs a bearer
    /api/v1/csrf                    a token for writes, on the header x-csrf-token: fetch
    /_admin/...                     for tests and demos; no bearer

Models (fixed seed; rows are made when first asked for):
    CSIMPLAN0000000000000000A1  "Sales plan"       months, Version Date Region Product,
                                                   Revenue Headcount; three versions
    CSIMACCT0000000000000000B2  "Sales plan"       months, SignedData; accounts INC EXP AST LEQ
                                                   NFIN with stored signs (income, debt negative)
    CSIMDAILY00000000000000C3   "Daily sales"      days, nine dimensions, Amount Quantity; --rows
    CSIMQUARTER000000000000D4   "Quarterly sales"  YYYYQ
    CSIMYEAR0000000000000000E5  "Yearly sales"     YYYY
    CSIMWIDE0000000000000000F6  "Wide sales"       100,000 rows, 24 dimensions, 8 measures
    CSIMWEEK00000000000000000G7 "Weekly sales"     YYYYWW, two years of 52 weeks and one of 53
    CSIMOWNDATES00000000000H8   "Fiscal sales"     ids like FY24P01; DateMaster has START_DATE,
                                                   ISO dates, null and empty for two ids
    CSIMOWNDATESWEEKS0000000I9  "Shop sales"       ids like W-2024-05, of the same kind
    CSIMTWODATES000000000000J1  "Late bookings"    Date in months, AddedDate in days
    CSIMNOVERSION00000000000K2  "Web visits"       months, no version dimension
Each has FactData, FactDataAggregation, MasterData, a master for each dimension, and on request
<dimension>___Distinct. There is no AuditData [3905].

Delta: `Prefer: odata.track-changes` on facts or sums subscribes; the last page then carries a delta
link. It leads to the keys that changed since the first page, each with all its records as they are
now, and to an element with the context `...#FactData/$deletedEntity` and an `id` for each key that
is gone. Every read adds a link to the chain. `externalid=<name>` reads the latest link of a chain.
`$deltatoken` is ignored. /administration/Subscriptions is listed, posted to (the first read then
tells all) and deleted from: one id, `deleteChain=true`, `deleteEntitySetName=`, or an empty id.

Admin calls:
    GET    /_admin/log              requests as received, and counts over them
    GET    /_admin/settings         all switches
    POST   /_admin/settings         merge switches in; an unknown one is a 400
    GET    /_admin/faults           the rules in force, with the calls that each has counted
    POST   /_admin/faults           add a list of rules
    DELETE /_admin/faults           drop all rules
    POST   /_admin/models           add a model: id, name, description, dimensions, measures, rows
    GET    /_admin/rows/{model}     the raw rows as text; `filter` narrows them
    POST   /_admin/revoke           revoke every token that is out
    POST   /_admin/reset            back to a fresh start; tokens that are out are revoked
A dimension is {name, role: version|date|account|generic, members, hierarchy, label, attributes}: a
member is an id or {id, description, parent, ...}, and `attributes` names further columns of its
master. A measure is a name or {name, type, precision, scale, label, exception}: an Edm type, and
LAST or AVG for what is not summed over time.

Switches (default first):
    expires_in                3599; what a new token says, in seconds
    token_lifetime_s          null; how long it lives in fact, if not as long as it says
    unknown_tenant            false; true: the token host answers 404 in HTML
    token_error               invalid_client | unauthorized; the word for wrong credentials
    strict_custom_auth        true; 403 without the header x-sap-sac-custom-auth: true
    export_access             true; false: the client may not export, [3401]
    refused_status            400 | 403; the status that goes with [3401]
    unauthorized              json | empty | html; how a bad bearer is turned away
    latency_s                 0; seconds that every answer takes
    strict_plus               true; 400 for a `+` in the query string
    aggregation               true; false: no FactDataAggregation
    aggregation_rule          sum | exception; exception: LAST and AVG count, by account or measure
    aggregation_digits        null; significant digits of sums, as 15 for what a double holds
    masters_in_metadata       true; false: $metadata leaves the masters of dimensions out
    refuse_count              false; true: 400 for $count=true
    refuse_count_with_select  false; true: 400 for it with a narrowed $select on FactData
    unknown_set_status        404 | 400; the status that goes with [3707]
    max_url_bytes             16384; 414 for a longer query string
    link                      absolute | root | service | none; `none` is a hard cap and silence
    default_page_size         1000; rows of a page where the caller does not say
    page_cap                  50000; rows of a page at the most
    top_disables_link         true; $top, $skip or package switch the next link off
    oversize_disables_link    false; true: so does a pagesize above the cap
    shuffle_skip              true; $skip without $orderby gives another order on each call
    shuffle_ties              false; true: with $skip, rows that tie under $orderby do so too
    volatile                  false | true | added | removed | changed | moved; what happens to a
                              row of the model before each page; true: all four
    track_changes             true; false: the tenant knows no delta and ignores the wish for it
    delta_reread              true; false: 410 for a delta link that was read before
    delta_retention_s         null; seconds until a subscription is too old, 410
    gzip                      false; true: bodies over 1 kB are compressed for callers that take it
    chunked                   false; true: bodies come in pieces, without a Content-Length
    count_as_string           false; true: @odata.count is text
    entities_as_string        false; true: the @des diagnostics are text
    numbers_as_strings        false; true: measures are text
    lower_case_annotations    false; true: @odata.nextlink and so on
    message_as_object         false; true: the message of an error is an object with a value

Faults are rules {"kind", "match", "nth": 1, "times": 1, ...}. `match` is a category (any, token,
page, count, metadata, catalogue, subscription, master, service), a part of the raw path and query,
or `re:` and an expression. Of the calls that match, the nth and the next ones go wrong, `times` in
all or, with null, for ever. Retries count as calls. The kinds, with their arguments:
    status          status, headers, retry_after (seconds, text, or date+<seconds>), and a body:
                    json, html or text
    html_login      200 and a login page
    redirect        url; 302
    reset           at (middle, start); a TCP reset
    truncate        half of the promised body, then the connection ends
    truncate_json   half of the body, in a well-formed answer
    invalid_json    a body that is no JSON
    content_type    value; the right body under a wrong type
    gzip            the body is compressed
    mark            a byte order mark stands before the body
    slow            delay_s before the first byte
    hang            no answer at all
    hold            no answer until the rules are dropped; then the right one
    next_link       url: an address, self, first, or none
    drop_rows       rows; the page lacks some, its diagnostics do not
    entities        value; a wrong @des.entitiesInPage
    not_json_value  column, value; one cell of the page holds this raw text, NaN if not said
    drop_column     column; the rows of the page lack it
    mutate          added, removed, changed, moved; so many rows of the model change before this
                    call is answered: copies of the first ones come, the first ones go, measures of
                    rows all over grow by one, first ones become last ones and take their keys
    aggregation_drops  rows; so many groups are missing from this call, and its count agrees
    revoke          every token is revoked before this call is answered
"""
