"""What an alert compared, as a sentence made in SQL: the words of model/alerts/messages.py.

They stand in SQL once more because a change is recorded as numbers, and most changes are never sent as a message. A
test holds the two together. A query begins with `WORDS` and selects `COMPARISON` from columns named as those of
table alert_events.
"""

WORDS = r"""WITH n -> reverse(trimRight(replaceRegexpAll(reverse(toString(n)), '[0-9]{3}', '\\0,'), ',')) AS grouped,
     part -> leftPad(toString(part % 100), 2, '0') AS decimals,
     part -> concat(grouped(intDiv(part, 100)), '.', decimals(part), ' %') AS exact,
     part -> concat(grouped(intDiv(part, 100)),
                    trimRight(if(part % 100 = 0, '', concat('.', decimals(part))), '0'), ' %') AS percent,
     (part, whole, bound) -> if(whole = 0, '0 of 0', concat(
         grouped(part), ' of ', grouped(whole), ' = ', exact(intDiv(part * 10000, greatest(whole, 1))),
         if(part * 10000 < bound * whole, ' < ', ' >= '), percent(bound))) AS rate,
     (now, before) -> intDiv(abs(now - before) * 10000 + before - 1, greatest(before, 1)) AS change_rounded_up,
     (now, before, bound) -> concat(
         if(now < before, '-', if(now > before, '+', '')), exact(change_rounded_up(now, before)), '; ',
         exact(change_rounded_up(now, before)), if(abs(now - before) * 10000 > bound * before, ' > ', ' <= '),
         percent(bound)) AS difference,
     (now, before, bound, least_events) -> concat(
         'accepted ', grouped(now), ' after ', grouped(before),
         if(before > 0, concat(' = ', difference(now, before, bound)),
            if(now >= least_events, concat('; ', grouped(now), ' >= ', grouped(least_events)), ''))) AS volume
"""

COMPARISON = """multiIf(
           check = 'setup' AND change != 'recovered',
               concat('takes nothing until a person acts', if(code = '' AND message = '', '', ': '),
                      code, if(code = '' OR message = '', '', ' '), message),
           check = 'setup', if(empty(notes), 'takes deliveries again', 'is no longer watched'),
           check = 'blind', if(change = 'recovered', 'counts arrive again', 'no counts come: no alert can fire'),
           operator = '', 'no longer watched',
           check = 'hour',
               concat(grouped(numerator), ' not delivered in one hour',
                      if(numerator > 0, ' >= 1', ': all is delivered again')),
           kind = 'source-volume', volume(numerator, denominator, threshold_bp, minimum),
           concat(if(check = 'fast', 'first attempts ', ''), 'delivered ',
                  rate(numerator, denominator, threshold_bp)))"""
