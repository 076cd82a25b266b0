"""Programs of qmail that nobody runs any more, here so that whoever does still can.

elq, pinq, qail    mail readers of today read Maildirs themselves
maildirwatch       and show what is new
qbiff              systems of today keep no utmp
qmail-upq          never installed by the original: sorts a queue of another split
qsmhook            mailers for sendmail; preline serves those of today

Nothing imports these modules but the one that finds a program's main by its name
(pytools.process.programs.RETIRED).
"""
