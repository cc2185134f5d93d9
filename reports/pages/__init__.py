"""The pages of the site: each module gathers what one template shows."""
