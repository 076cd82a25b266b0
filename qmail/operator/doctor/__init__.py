"""``pyqmail doctor``: the mistakes that a follower of the guide can make, and the commands
that mend them.

Finding      what is wrong, why it matters, one command; findings.py has all the codes.
Check        a function from a Machine to findings; it changes nothing, and every path it
             looks at is below the Machine's places. Checks belong to a subject, a module
             each; checks.py lists them, puts a fence and a time limit around each, and
             tells which of them inst_check makes, too.
Rule         nothing here needs a library: the doctor must run when the runtime is gone
             (``make doctor`` in a checkout). And only what is certain is a finding.
"""
