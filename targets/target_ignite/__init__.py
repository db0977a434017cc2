"""Reports opt-outs of e-mail addresses to Ignite."""
