"""What does a nudge cost, in bits: how rarely does a random initialization end as far towards its outcome?"""
