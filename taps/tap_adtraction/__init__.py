"""Affiliate programs, commissions, product feeds and channels of Adtraction."""
